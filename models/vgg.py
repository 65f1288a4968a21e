"""VGG with batch norm for 32x32 pictures (Simonyan & Zisserman, 2014, arXiv:1409.1556)."""

from __future__ import annotations

from torch import Tensor, nn

from compressor.models.registry import MODELS, InputSpec, takes

POOL = 0
LAYERS = (16, POOL, 32, POOL, 48, 48, POOL, 64, 64, POOL)


class Vgg(nn.Module):
    """[N, 3, 32, 32] -> [N, classes]; the flattened 2x2 map feeds two linear layers, with dropout."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3
        for entry in LAYERS:
            if entry == POOL:
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(width, entry, 3, padding=1), nn.BatchNorm2d(entry), nn.ReLU(inplace=True)]
            width = entry
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(), nn.Linear(width * 4, 64), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(64, classes)
        )

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(image))
        return logits


@MODELS.register("vgg")
@takes(InputSpec((3, 32, 32)))
def vgg() -> nn.Module:
    """Six convolutions of 16 to 64 channels."""
    return Vgg()
