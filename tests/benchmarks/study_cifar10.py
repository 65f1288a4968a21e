"""Data of ``study_resnet20.yaml`` and ``study_resnet20_part.yaml``; run them from the repository's root.

    python -m compressor study run tests/benchmarks/study_resnet20_part.yaml

A part of the training pictures is for machines without a GPU; the test set is always whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.finetune_resnet20 import DATA, Setup, splits
from tests.zoo.source import import_file

PART = 5_000


def train() -> dict[str, Any]:
    """All 50,000 training pictures, a tenth of them for validation; crops and mirror images while training."""
    return splits(Setup())


def train_part() -> dict[str, Any]:
    """The same of the first 5,000."""
    return splits(Setup(pictures=PART))


def held_out() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """All 10,000 test pictures, [N, 3, 32, 32], as they are, and their labels."""
    cifar = import_file(DATA)
    images, labels = cifar.load("test")
    return cifar.normalize(images), labels.astype(np.int64)
