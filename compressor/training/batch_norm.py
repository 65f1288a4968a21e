"""Running statistics of batch norms, taken anew: right after a cut they tell of channels that are gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from compressor.training.data import Part, Samples, in_order
from compressor.training.tensors import on_device

SAMPLES = 2048
"""Looked at, at most: a mean over so many positions moves no more."""


def reestimate_batch_norms(module: nn.Module, samples: Samples, batch_size: int, device: torch.device) -> int:
    """One pass over samples, without gradients: mean and variance of what each batch norm is given now.

    Args:
        module: changed in place; on ``device``. Dropout stays off.
        samples: training samples; at most SAMPLES of them, evenly spread, are looked at, by each process alike.
        batch_size: samples at a time; what does not fill a batch is left out.
        device: where to compute.

    Returns:
        How many batch norms there are.
    """
    if len(samples) > SAMPLES:
        samples = Part(samples, np.linspace(0, len(samples) - 1, SAMPLES).astype(np.int64))
    sums = _Sums()
    module.eval()
    with torch.no_grad(), sums:
        for batch in in_order(samples, batch_size):
            if len(batch) == batch_size:  # the file may take no other
                module(*on_device(batch, device)[0])
    with torch.no_grad():
        return sums.write()


_NAMES = {"input": "x"}


class _Sums(TorchFunctionMode):
    """Has batch norms normalise by the batch at hand, as in training, and adds up what they are given."""

    def __init__(self) -> None:
        super().__init__()
        self._found: dict[int, tuple[Tensor, Tensor, list[Any]]] = {}  # by running mean: [positions, sum, squares]

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Everything but batch norms goes its way."""
        if function is functional.batch_norm:
            return self._batch_norm(*args, **{_NAMES.get(key, key): value for key, value in (kwargs or {}).items()})
        return function(*args, **(kwargs or {}))

    def _batch_norm(
        self, x: Tensor, running_mean: Tensor | None, running_var: Tensor | None, weight: Tensor | None = None,
        bias: Tensor | None = None, training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
    ) -> Tensor:  # fmt: skip
        values = x.detach().transpose(0, 1).flatten(1)
        exact = torch.float32 if values.device.type == "mps" else torch.float64
        positions = values.shape[1]
        if running_mean is None or running_var is None or positions < 2:  # nothing to estimate, or nothing to do it by
            return functional.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
        entry = self._found.setdefault(id(running_mean), (running_mean, running_var, [0, 0.0, 0.0]))[2]
        entry[0] += positions
        entry[1] = entry[1] + values.sum(1, dtype=exact)
        entry[2] = entry[2] + values.float().square().sum(1, dtype=exact)
        return functional.batch_norm(x, None, None, weight, bias, True, 0.0, eps)

    def write(self) -> int:
        """Put the means and variances in place."""
        for mean, variance, (positions, total, squares) in self._found.values():
            found = total / positions
            mean.copy_(found)
            variance.copy_((squares / positions - found.square()).clamp_min(0))
        return len(self._found)
