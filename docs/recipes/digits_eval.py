"""Figures of a digits network, for recipes and gates: functions of an ONNX file's path."""

from __future__ import annotations

import numpy as np

from compressor.backends.base import open_model
from compressor.models.demo import load_digits


def correct(path: str) -> list[float]:
    """1 or 0 for each picture of the validation split."""
    pictures, labels = load_digits("validation")
    with open_model(path, threads=1) as session:
        (logits,) = session.run({"image": pictures}).values()
    return (logits.argmax(axis=1) == labels).astype(float).tolist()


def accuracy(path: str) -> float:
    """The share that is right."""
    return float(np.mean(correct(path)))
