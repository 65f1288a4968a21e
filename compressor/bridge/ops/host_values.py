"""What is known at conversion of host values: which are numbers, and which numbers a list consists of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from compressor.bridge.lowering import LowerContext

_NUMBER = "number"
"""Mark in ``fx.Node.meta`` of host values that are no lists."""


def list_of(*numbers: Any) -> list[Any]:
    """A host list of these numbers; who needs some of them looks at the arguments."""
    return list(numbers)


def one(value: Any) -> Any:
    """A number, which may come as a list of one."""
    return value[0] if isinstance(value, (list, tuple)) else value


def number_call(ctx: LowerContext, function: Callable[..., Any], *args: Any) -> Any:
    """A call that gives a single number."""
    result = ctx.host_call(function, *args)
    if isinstance(result, fx.Node):
        result.meta[_NUMBER] = True
    return result


def is_number(value: Any) -> bool:
    """Whether this is known to be a single number."""
    if isinstance(value, fx.Node):
        return _NUMBER in value.meta
    return value.ndim == 0 if isinstance(value, torch.Tensor) else not isinstance(value, (list, tuple))


def elements_of(value: Any) -> list[Any] | None:
    """The numbers, or nodes of numbers, that a host value is known to consist of."""
    if isinstance(value, torch.Tensor):
        return list(value.reshape(-1).tolist())
    if isinstance(value, fx.Node):
        if value.target is list_of:
            return list(value.args)
        return [value] if _NUMBER in value.meta else None
    return list(value) if isinstance(value, (list, tuple)) else [value]
