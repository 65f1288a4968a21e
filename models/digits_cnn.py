"""The embedded demo's network: a small ResNet for 8x8 grey pictures."""

from __future__ import annotations

from torch import nn

from compressor.models.registry import MODELS, InputSpec, takes
from compressor.models.resnet import CifarResNet


@MODELS.register("digits_cnn")
@takes(InputSpec((1, 8, 8)))
def digits_cnn() -> nn.Module:
    """[N, 1, 8, 8] -> [N, 10]; three blocks of 32 channels at 8x8, one of 64 at 4x4."""
    return CifarResNet(depths=(3, 1), widths=(32, 64), channels=1)
