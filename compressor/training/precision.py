"""In which type the steps of training compute, and that the weights are float32 meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from compressor.training.context import FinetuneContext
from compressor.training.data import Array, Batch, Indices, Samples
from compressor.training.optimization import PrecisionName

_HALF = (torch.float16, torch.bfloat16)


def computed_in(precision: PrecisionName, device: torch.device) -> torch.dtype:
    """The type for torch.autocast; float32 stands for none."""
    if precision == "bfloat16":
        return torch.bfloat16
    return torch.float16 if precision == "auto" and device.type == "cuda" else torch.float32


def lay_out(module: nn.Module, computed: torch.dtype) -> None:
    """Weights of two-dimensional convolutions get the channels last in memory for bfloat16; values stay as they are.

    Oneapi's kernels for CPUs are made for that: a step of a ResNet-20 took 0.60 of its time so, and 0.87 with
    channels first. CUDA's tensor cores prefer it too.
    """
    if computed == torch.bfloat16:
        for parameter in module.parameters():
            if parameter.ndim == 4:  # Module.to would try it with five axes too, and fail
                parameter.data = parameter.data.to(memory_format=torch.channels_last)


@contextmanager
def weights_in_float32(module: nn.Module, context: FinetuneContext) -> Iterator[FinetuneContext]:
    """A file of float16 or bfloat16 is trained in float32, and has its own types again afterwards.

    In 16 bits the small steps of training round to nothing, and torch.amp.GradScaler takes no such gradients. Modules
    made by from_onnx follow their weights' type (see ``bridge.ops.casting``). What is mostly float32 stays as it is.

    Yields:
        The context to train in: its samples are float32 then.
    """
    before = {name: tensor.dtype for name, tensor in _tensors(module)}
    if not widen(module):
        yield context
        return
    train, validation = (None if part is None else _InFloat32(part) for part in (context.train, context.validation))
    inside = replace(context, train=train, validation=validation)
    try:
        yield inside
    finally:
        for name, tensor in _tensors(module):
            tensor.data = tensor.data.to(before[name])


def widen(module: nn.Module) -> bool:
    """Make a module float32 that is mostly 16-bit; whether it was."""
    counts: Counter[torch.dtype] = Counter()
    for parameter in module.parameters():
        counts[parameter.dtype] += parameter.numel()
    if not counts or counts.most_common(1)[0][0] not in _HALF:
        return False
    module.float()
    return True


def _tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(), *module.named_buffers()]


@dataclass(frozen=True)
class _InFloat32:
    """Samples whose 16-bit floating-point inputs come as float32."""

    samples: Samples

    def __len__(self) -> int:
        return len(self.samples)

    def batch(self, indices: Indices) -> Batch:
        """See Samples."""
        found = self.samples.batch(indices)
        return Batch(tuple(_widened(array) for array in found.inputs), found.labels)


def _widened(array: Array) -> Array:
    """float16, or ml_dtypes' bfloat16, which NumPy counts among the kinds of its own."""
    return array.astype(np.float32) if array.dtype.itemsize == 2 and array.dtype.kind in "fV" else array
