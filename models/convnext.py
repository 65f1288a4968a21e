"""ConvNeXt for 32x32 pictures (Liu et al., 2022, arXiv:2201.03545)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from compressor.models.registry import MODELS, InputSpec, takes


class ChannelNorm(nn.Module):
    """Layer norm over the channels of [N, C, H, W], by way of channels-last."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return y


class ConvNeXtBlock(nn.Module):
    """Depthwise 7x7, then a channels-last layer norm and MLP, scaled per channel and added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.mlp = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )
        self.scale = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.mlp(self.depthwise(x).permute(0, 2, 3, 1)) * self.scale
        return x + y.permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """[N, 3, 32, 32] -> [N, classes]; stage widths, two blocks each, 2x2 convolutions between."""

    def __init__(self, widths: tuple[int, ...] = (16, 32), classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, widths[0], 4, stride=4), ChannelNorm(widths[0])]
        width = widths[0]
        for stage, outputs in enumerate(widths):
            if stage:
                layers += [ChannelNorm(width), nn.Conv2d(width, outputs, 2, stride=2)]
            layers += [ConvNeXtBlock(outputs), ConvNeXtBlock(outputs)]
            width = outputs
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(image).mean((2, 3)))
        return logits


@MODELS.register("convnext")
@takes(InputSpec((3, 32, 32)))
def convnext() -> nn.Module:
    """Two stages of 16 and 32 channels, two blocks each."""
    return ConvNeXt()
