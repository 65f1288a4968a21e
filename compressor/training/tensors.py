"""Batches as tensors, outputs as tensors: the border between NumPy data and PyTorch modules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from compressor.bridge.tensor_types import to_torch
from compressor.training.data import Batch


def on_device(batch: Batch, device: torch.device) -> tuple[tuple[Tensor, ...], Tensor | None]:
    """(inputs, labels) as tensors."""
    inputs = tuple(to_torch(array, "data").to(device, non_blocking=True) for array in batch.inputs)
    if batch.labels is None:
        return inputs, None
    labels = to_torch(batch.labels, "labels")
    return inputs, (labels if labels.is_floating_point() else labels.long()).to(device, non_blocking=True)


def first_output(result: Any) -> Tensor:
    """The output that labels belong to: the module's only one, or the first of several."""
    found: Tensor = result[0] if isinstance(result, tuple | list) else result
    return found
