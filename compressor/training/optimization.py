"""Optimisers and learning rates; both start anew at each step of a pruning schedule."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import torch
from torch import nn

OptimizerName: TypeAlias = Literal["sgd", "adamw"]
ScheduleName: TypeAlias = Literal["one-cycle", "constant"]
PrecisionName: TypeAlias = Literal["auto", "float32", "bfloat16"]
LEARNING_RATES: dict[str, float] = {"sgd": 0.05, "adamw": 5e-4}
"""Peaks of the one-cycle schedule where the user names none."""
CONSTANT_SHARE = 0.2
"""Of those, where the rate stays the same throughout."""
WEIGHT_DECAYS: dict[str, float] = {"sgd": 5e-4, "adamw": 0.01}
ORIGINAL_SHARE = 0.1
"""Of the original's learning rate, where that is given: constant, as customary after pruning (arXiv:1506.02626)."""

_MOMENTUM = 0.9
_WARM_UP = 0.3  # of the run
_START_SHARE, _END_SHARE = 1 / 25, 1e-4  # of the peak, as in PyTorch's OneCycleLR


def make_optimizer(name: OptimizerName, module: nn.Module, learning_rate: float, decay: float) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum, or AdamW, over the module's parameters; biases and norms do not decay."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trained if parameter.ndim > 1], "weight_decay": decay},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=learning_rate)
    return torch.optim.SGD(groups, lr=learning_rate, momentum=_MOMENTUM, nesterov=True)


def learning_rate_at(schedule: ScheduleName, peak: float, progress: float) -> float:
    """The learning rate when ``progress`` (0 to 1) of the run is done.

    one-cycle: cosine from peak/25 up to the peak at 30 %, then down to peak/10,000 (Smith, arXiv:1708.07120).
    """
    if schedule == "constant":
        return peak
    if progress < _WARM_UP:
        return _between(_START_SHARE * peak, peak, progress / _WARM_UP)
    return _between(peak, _END_SHARE * peak, min(1.0, (progress - _WARM_UP) / (1 - _WARM_UP)))


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def set_learning_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """For all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = value
