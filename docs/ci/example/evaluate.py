"""The task: which of ten kinds a vector of 64 numbers is. The gate calls ``accuracy`` on baseline and candidate."""

from __future__ import annotations

import numpy as np
import onnxruntime

KINDS, FEATURES = 10, 64


def samples(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(vectors [count, 64], labels [count]): noisy copies of ten directions."""
    centres = np.random.default_rng(0).standard_normal((KINDS, FEATURES))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, KINDS, count)
    return (centres[labels] + 2.5 * rng.standard_normal((count, FEATURES))).astype(np.float32), labels


def accuracy(model: str) -> np.ndarray:
    """1 for each test vector that is told right, else 0: by sample, so that the gate can give an interval."""
    vectors, labels = samples(4000, seed=2)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {session.get_inputs()[0].name: vectors})
    return (scores.argmax(axis=1) == labels).astype(np.float64)
