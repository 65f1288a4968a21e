"""Squeeze-and-excitation network (Hu et al., 2017, arXiv:1709.01507)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from compressor.models.registry import MODELS, InputSpec, takes
from compressor.models.resnet import conv_bn


class SqueezeExcite(nn.Module):
    """Scales each channel of [N, C, H, W] by a gate computed from all channels' means."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // reduction, 1)
        self.excite = nn.Conv2d(channels // reduction, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.excite(torch.relu(self.squeeze(means))))


class SqueezeExciteBlock(nn.Module):
    """Two 3x3 convolutions and a gate around a shortcut, hard-swish activated."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv_bn(inputs, outputs, stride=stride),
            nn.Hardswish(),
            conv_bn(outputs, outputs),
            SqueezeExcite(outputs),
        )
        changes = stride != 1 or inputs != outputs
        self.shortcut = conv_bn(inputs, outputs, kernel=1, stride=stride) if changes else nn.Identity()
        self.activation = nn.Hardswish()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(self.layers(x) + self.shortcut(x))
        return y


class SqueezeExciteNet(nn.Module):
    """[N, 3, 32, 32] -> [N, classes]."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 48), classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv_bn(3, widths[0]), nn.SiLU()]
        width = widths[0]
        for stage, outputs in enumerate(widths):
            layers.append(SqueezeExciteBlock(width, outputs, stride=2 if stage else 1))
            width = outputs
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(image).mean((2, 3)))
        return logits


@MODELS.register("squeeze_excite")
@takes(InputSpec((3, 32, 32)))
def squeeze_excite() -> nn.Module:
    """Three gated residual blocks of 16 to 48 channels."""
    return SqueezeExciteNet()
