"""MobileNetV2 for 32x32 pictures (Sandler et al., 2018, arXiv:1801.04381)."""

from __future__ import annotations

from torch import Tensor, nn

from compressor.models.registry import MODELS, InputSpec, takes
from compressor.models.resnet import conv_bn

# (expansion, output channels, blocks, stride of the first block)
STAGES = ((1, 16, 1, 1), (4, 24, 2, 2), (4, 32, 2, 2), (4, 48, 1, 1))


class InvertedResidual(nn.Module):
    """Widen by 1x1, depthwise 3x3, narrow by 1x1 without activation; shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        layers: list[nn.Module] = []
        if expansion != 1:
            layers += [conv_bn(inputs, hidden, kernel=1), nn.ReLU6()]
        layers += [conv_bn(hidden, hidden, stride=stride, groups=hidden), nn.ReLU6(), conv_bn(hidden, outputs, 1)]
        self.layers = nn.Sequential(*layers)
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.has_shortcut else y


class MobileNetV2(nn.Module):
    """[N, 3, 32, 32] -> [N, classes]."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        width = 16
        layers: list[nn.Module] = [conv_bn(3, width), nn.ReLU6()]
        for expansion, outputs, blocks, first_stride in STAGES:
            for index in range(blocks):
                layers.append(InvertedResidual(width, outputs, first_stride if index == 0 else 1, expansion))
                width = outputs
        layers += [conv_bn(width, 128, kernel=1), nn.ReLU6()]
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(128, classes)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.pool(self.features(image)).flatten(1))
        return logits


@MODELS.register("mobilenet_v2")
@takes(InputSpec((3, 32, 32)))
def mobilenet_v2() -> nn.Module:
    """Six inverted residual blocks of 16 to 48 channels."""
    return MobileNetV2()
