"""ResNeXt: residual blocks with grouped convolutions (Xie et al., 2016, arXiv:1611.05431)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from compressor.models.registry import MODELS, InputSpec, takes
from compressor.models.resnet import conv_bn


class ResNeXtBlock(nn.Module):
    """1x1, grouped 3x3, 1x1 around a shortcut."""

    def __init__(self, inputs: int, hidden: int, outputs: int, stride: int, groups: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv_bn(inputs, hidden, kernel=1),
            nn.ReLU(),
            conv_bn(hidden, hidden, stride=stride, groups=groups),
            nn.ReLU(),
            conv_bn(hidden, outputs, kernel=1),
        )
        changes = stride != 1 or inputs != outputs
        self.shortcut = conv_bn(inputs, outputs, kernel=1, stride=stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.layers(x) + self.shortcut(x))


class ResNeXt(nn.Module):
    """[N, 3, 32, 32] -> [N, classes]; every stage but the first halves the picture."""

    def __init__(self, widths: tuple[int, ...] = (32, 64), groups: int = 4, classes: int = 10) -> None:
        super().__init__()
        width = 16
        layers: list[nn.Module] = [conv_bn(3, width), nn.ReLU()]
        for stage, outputs in enumerate(widths):
            for index in range(2):
                stride = 2 if stage > 0 and index == 0 else 1
                layers.append(ResNeXtBlock(width, outputs, outputs, stride, groups))
                width = outputs
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(image).mean((2, 3)))
        return logits


@MODELS.register("resnext")
@takes(InputSpec((3, 32, 32)))
def resnext() -> nn.Module:
    """Four blocks of 32 and 64 channels in 4 groups."""
    return ResNeXt()
