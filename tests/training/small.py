"""A learnable problem and small networks that the tests of training share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from compressor.training.context import FinetuneContext
from compressor.training.data import ArraySamples, Samples, carve
from compressor.training.trainer import Trainer
from compressor.training.wanted import WantedInput

WIDTH, CLASSES = 6, 3
WANTED = [WantedInput("x", np.dtype(np.float32), ("N", WIDTH))]
QUICK = Trainer(epochs=4, batch_size=16, learning_rate=0.2)


def blobs(count: int = 160, seed: int = 0) -> Samples:
    """Three clouds of points around fixed centres."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((CLASSES, WIDTH)) * 2
    labels = rng.integers(0, CLASSES, count)
    points = centres[labels] + rng.standard_normal((count, WIDTH))
    return ArraySamples([points.astype(np.float32)], labels, WANTED, "blobs")


def network(seed: int = 0) -> nn.Module:
    """Two layers with a batch norm and dropout: both behave otherwise in training."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(WIDTH, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, CLASSES)
    ).eval()


def context(folder: Path | None = None, *, seed: int = 3, share: float = 0.25, **more: Any) -> FinetuneContext:
    """Data and nothing else."""
    splits = carve(blobs(), share, seed)
    return FinetuneContext(seed=seed, train=splits.train, validation=splits.validation, folder=folder, **more)


def weights(module: nn.Module) -> dict[str, torch.Tensor]:
    """Copies of all parameters and buffers."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    """Equal to the bit."""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
