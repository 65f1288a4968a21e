"""DenseNet-BC for 32x32 pictures (Huang et al., 2016, arXiv:1608.06993)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from compressor.models.registry import MODELS, InputSpec, takes


class DenseLayer(nn.Module):
    """Pre-activated 1x1 and 3x3 convolutions whose ``growth`` channels are appended to the input's."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth),
            nn.ReLU(),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.layers(x)], 1)


class DenseNet(nn.Module):
    """[N, 3, 32, 32] -> [N, classes]; dense blocks, each but the last followed by a halving transition."""

    def __init__(self, blocks: tuple[int, ...] = (3, 3, 3), growth: int = 12, classes: int = 10) -> None:
        super().__init__()
        width = 2 * growth
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1, bias=False)]
        for index, depth in enumerate(blocks):
            for _ in range(depth):
                layers.append(DenseLayer(width, growth))
                width += growth
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            if index + 1 < len(blocks):
                layers += [nn.Conv2d(width, width // 2, 1, bias=False), nn.AvgPool2d(2)]
                width //= 2
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(image).mean((2, 3)))
        return logits


@MODELS.register("densenet")
@takes(InputSpec((3, 32, 32)))
def densenet() -> nn.Module:
    """Three dense blocks of three layers, growth 12."""
    return DenseNet()
