"""Residual networks for small pictures (He et al., 2015, arXiv:1512.03385, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from compressor.models.registry import MODELS, InputSpec, takes


def conv_bn(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Bias-free convolution that keeps the size (at stride 1), then batch norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut; the shortcut is projected where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = conv_bn(inputs, outputs, stride=stride)
        self.second = conv_bn(outputs, outputs)
        changes = stride != 1 or inputs != outputs
        self.shortcut = conv_bn(inputs, outputs, kernel=1, stride=stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(torch.relu(self.first(x)))
        return torch.relu(y + self.shortcut(x))


class CifarResNet(nn.Module):
    """[N, channels, H, W] -> [N, classes]; stage i has ``depths[i]`` blocks of ``widths[i]`` channels.

    Every stage but the first halves the picture.
    """

    def __init__(self, depths: Sequence[int], widths: Sequence[int], *, channels: int = 3, classes: int = 10) -> None:
        super().__init__()
        self.stem = conv_bn(channels, widths[0])
        blocks: list[nn.Module] = []
        width = widths[0]
        for stage, (depth, stage_width) in enumerate(zip(depths, widths, strict=True)):
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(BasicBlock(width, stage_width, stride))
                width = stage_width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.blocks(torch.relu(self.stem(image)))
        logits: Tensor = self.head(features.mean((2, 3)))
        return logits


@MODELS.register("resnet20")
@takes(InputSpec((3, 32, 32)))
def resnet20() -> nn.Module:
    """The paper's 20-layer CIFAR network, with projection shortcuts: 0.27 M parameters."""
    return CifarResNet(depths=(3, 3, 3), widths=(16, 32, 64))
