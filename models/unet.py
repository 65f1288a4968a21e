"""U-Net (Ronneberger et al., 2015, arXiv:1505.04597)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from compressor.models.registry import MODELS, InputSpec, takes
from compressor.models.resnet import conv_bn


def double_conv(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with batch norm and ReLU."""
    return nn.Sequential(conv_bn(inputs, outputs), nn.ReLU(), conv_bn(outputs, outputs), nn.ReLU())


class UNet(nn.Module):
    """[N, 3, H, W] -> per-pixel logits [N, classes, H, W]; H and W are multiples of 2 ** (levels - 1)."""

    def __init__(self, widths: tuple[int, ...] = (16, 24, 32), classes: int = 4) -> None:
        super().__init__()
        narrow, wide = widths[:-1], widths[1:]
        self.down = nn.ModuleList(double_conv(i, o) for i, o in zip((3, *narrow), widths, strict=True))
        pairs = list(zip(narrow, wide, strict=True))[::-1]
        self.up = nn.ModuleList(nn.ConvTranspose2d(high, low, 2, stride=2) for low, high in pairs)
        self.merge = nn.ModuleList(double_conv(2 * low, low) for low, _ in pairs)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.down[0](image)
        skips = []
        for down in self.down[1:]:
            skips.append(x)
            x = down(self.pool(x))
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([skips.pop(), up(x)], 1))
        logits: Tensor = self.head(x)
        return logits


@MODELS.register("unet")
@takes(InputSpec((3, 32, 32)))
def unet() -> nn.Module:
    """Three levels of 16 to 32 channels."""
    return UNet()
