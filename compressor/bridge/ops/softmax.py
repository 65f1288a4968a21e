"""Softmax, LogSoftmax and Hardmax; before opset 13 they take all axes from ``axis`` on as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext


def hardmax(x: Tensor, dim: int) -> Tensor:
    """One at the first largest along ``dim``, zero elsewhere."""
    return torch.zeros_like(x).scatter_(dim, x.argmax(dim, keepdim=True), 1)


def over_flattened(x: Tensor, op: str, axis: int) -> Tensor:
    """``op`` along all axes from ``axis`` on, taken as one."""
    start = axis % x.ndim if x.ndim else 0
    lead, rest = x.shape[:start].numel(), x.shape[start:].numel()
    return _FUNCTIONS[op](x.reshape(lead, rest), -1).reshape(x.shape)


_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "Softmax": torch.softmax,
    "LogSoftmax": torch.log_softmax,
    "Hardmax": hardmax,
}


@LOWERINGS.register(*_FUNCTIONS)
def softmax(ctx: LowerContext) -> Any:
    """Along one axis."""
    function = _FUNCTIONS[ctx.node.op]
    axis = ctx.attr("axis", -1 if ctx.opset >= 13 else 1)
    if ctx.opset >= 13 or axis == -1:
        return ctx.call(function, ctx.tensor(0), axis)
    return ctx.call(over_flattened, ctx.tensor(0), ctx.node.op, axis)
