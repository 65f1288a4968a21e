"""The embedded demo: a small ResNet trained on real pictures, shipped inside the package.

``digits/digits_cnn.onnx`` is the deployment form (batch norms folded), ``digits_cnn_bn.onnx`` the same
network with its BatchNormalization nodes, ``digits.npz`` all 1,797 pictures in a fixed split and
``digits_cnn.json`` how the network was trained and what it reaches. ``train_digits`` writes all four.

Data: Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning
Repository, 1998, doi:10.24432/C50P49, CC BY 4.0; the copy in scikit-learn, whose 1,797 pictures are the
original's test part. The split is random: a writer may appear in more than one part.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from compressor.errors import EnvironmentProblem

Split = Literal["train", "validation", "test"]

PIXEL_MAX = 16.0
"""The darkest pixel of the original data; pictures are scaled to [0, 1] by it."""


def demo_folder() -> Path:
    """The folder that the model, the data and the card are in."""
    return Path(str(files("compressor.models"))) / "digits"


def demo_model_path(*, batchnorm: bool = False) -> Path:
    """The trained network's ONNX file: float32 "image" [N, 1, 8, 8] -> "logits" [N, 10], N dynamic.

    Args:
        batchnorm: the form that keeps its BatchNormalization nodes.
    """
    return _existing("digits_cnn_bn.onnx" if batchnorm else "digits_cnn.onnx")


def load_digits(split: Split) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pictures, float32 [N, 1, 8, 8] in [0, 1], and their labels, int64 [N]."""
    with np.load(_existing("digits.npz"), allow_pickle=False) as archive:
        pixels, labels = archive[f"{split}_pixels"], archive[f"{split}_labels"]
    return pixels.astype(np.float32)[:, None] / np.float32(PIXEL_MAX), labels.astype(np.int64)


def load_digits_test() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The test split, float32 [450, 1, 8, 8] and int64 [450]; the shipped network never saw it."""
    return load_digits("test")


def demo_card() -> dict[str, Any]:
    """How the shipped network was trained: seed, versions, accuracies, parameters."""
    card: dict[str, Any] = json.loads(_existing("digits_cnn.json").read_text(encoding="utf-8"))
    return card


def _existing(name: str) -> Path:
    path = demo_folder() / name
    if not path.is_file():
        raise EnvironmentProblem(
            "the demo's file is missing", where=str(path), fix="Reinstall compressor, or run train_digits."
        )
    return path
