"""ShuffleNetV2 for 32x32 pictures (Ma et al., 2018, arXiv:1807.11164)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from compressor.models.registry import MODELS, InputSpec, takes
from compressor.models.resnet import conv_bn


def channel_shuffle(x: Tensor, groups: int = 2) -> Tensor:
    """Interleaves the channel groups of [N, C, H, W]."""
    _, channels, height, width = x.shape
    return x.view(-1, groups, channels // groups, height, width).transpose(1, 2).reshape(-1, channels, height, width)


class ShuffleUnit(nn.Module):
    """Half the channels pass, half are convolved (at stride 2: both are, and the width doubles); then shuffle."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        self.stride = stride
        branch_inputs = inputs if stride == 2 else inputs // 2
        self.branch = nn.Sequential(
            conv_bn(branch_inputs, half, kernel=1),
            nn.ReLU(),
            conv_bn(half, half, stride=stride, groups=half),
            conv_bn(half, half, kernel=1),
            nn.ReLU(),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride == 2:
            self.shortcut = nn.Sequential(
                conv_bn(inputs, inputs, stride=2, groups=inputs), conv_bn(inputs, half, kernel=1), nn.ReLU()
            )

    def forward(self, x: Tensor) -> Tensor:
        kept, convolved = (x, x) if self.stride == 2 else x.chunk(2, dim=1)
        return channel_shuffle(torch.cat([self.shortcut(kept), self.branch(convolved)], 1))


class ShuffleNetV2(nn.Module):
    """[N, 3, 32, 32] -> [N, classes]."""

    def __init__(self, widths: tuple[int, ...] = (32, 64), repeats: int = 2, classes: int = 10) -> None:
        super().__init__()
        width = 16
        layers: list[nn.Module] = [conv_bn(3, width), nn.ReLU()]
        for outputs in widths:
            layers.append(ShuffleUnit(width, outputs, stride=2))
            layers += [ShuffleUnit(outputs, outputs, stride=1) for _ in range(repeats)]
            width = outputs
        layers += [conv_bn(width, 96, kernel=1), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(96, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(image).mean((2, 3)))
        return logits


@MODELS.register("shufflenet_v2")
@takes(InputSpec((3, 32, 32)))
def shufflenet_v2() -> nn.Module:
    """Two stages of 32 and 64 channels, three units each."""
    return ShuffleNetV2()
