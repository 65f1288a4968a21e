"""The files that README.md and the older pages speak of: a small network of pictures, data, functions of a user's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.house.source_tree import ROOT
from tests.passes.graphs import model

CLASSES, SIDE, SAMPLES = 4, 12, 48
FUNCTIONS = {
    "data.py": """
import numpy as np

def train():
    found = np.load("train.npz")
    return found["image"], found["labels"]
""",
    "eval.py": """
import numpy as np
from compressor.backends.base import open_model

def accuracy(path):
    found = np.load("train.npz")
    with open_model(path, threads=1) as session:
        (logits,) = session.run({"image": found["image"]}).values()
    return float((logits.argmax(1) == found["labels"]).mean())
""",
    "own.py": """
import torch

def finetune(module, context):
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-4)
    module(torch.zeros(2, 3, 12, 12)).square().mean().backward()
    optimizer.step()
""",
    "net.py": """
from torch import nn

def build():
    layers = nn.Conv2d(3, 16, 3, 8), nn.ReLU(), nn.Conv2d(16, 8, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers)
""",
}
BODY = """
    h = Conv<kernel_shape=[3, 3], pads=[1, 1, 1, 1]>(image, W)
    n = BatchNormalization(h, s, b, m, v)
    r = Relu(n)
    g = Conv<kernel_shape=[3, 3], strides=[2, 2]>(r, V, c)
    t = Relu(g)
    p = GlobalAveragePool(t)
    f = Flatten(p)
    y = Gemm(f, G, d)
"""


def furnish(folder: Path) -> None:
    """The model under three names, arrays, pictures, the functions above, a policy, and docs/ of this checkout."""
    rng = np.random.default_rng(0)
    weights: dict[str, Any] = {"W": (24, 3, 3, 3), "V": (32, 24, 3, 3), "c": (32,), "G": (32, CLASSES), "d": (CLASSES,)}
    weights |= dict.fromkeys("sbm", (24,)) | {"v": rng.uniform(0.5, 2, 24).astype(np.float32)}
    inputs, outputs = f"float[N, 3, {SIDE}, {SIDE}] image", f"float[N, {CLASSES}] y"
    for name in ("model.onnx", "released.onnx", "candidate.onnx"):
        (folder / name).write_bytes(model(BODY, weights, inputs=inputs, outputs=outputs).SerializeToString())
    pictures = rng.random((SAMPLES, 3, SIDE, SIDE), np.float32)
    np.savez(folder / "train.npz", image=pictures, labels=np.arange(SAMPLES) % CLASSES)
    np.savez(folder / "calibration.npz", image=pictures)
    _photos(folder / "photos", pictures[:12])
    for name, text in FUNCTIONS.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "gate.yaml").write_text("size: {max_ratio: 1}\n", encoding="utf-8")
    shutil.copytree(ROOT / "docs", folder / "docs")


def _photos(folder: Path, pictures: Any) -> None:
    image = pytest.importorskip("PIL.Image", reason="a folder of pictures needs the extra 'images'")
    for number, picture in enumerate(pictures):
        place = folder / f"class{number % CLASSES}"
        place.mkdir(parents=True, exist_ok=True)
        pixels = (255 * picture.transpose(1, 2, 0)).astype(np.uint8)
        image.fromarray(pixels).save(place / f"{number}.png")
