"""Scatter, ScatterElements, ScatterND."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.gathering import coordinates, from_start, is_run, row_numbers

_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def scatter_elements(x: Tensor, index: Tensor, updates: Tensor, axis: int, reduction: str) -> Tensor:
    """``x`` with ``updates`` put at, or combined with, the places along ``axis`` that ``index`` names."""
    index = from_start(index.to(torch.int64), x.shape[axis])
    updates = updates.to(x.dtype)
    if reduction == "none":
        return torch.scatter(x, axis, index, updates)
    return torch.scatter_reduce(x, axis, index, updates, _REDUCTIONS[reduction])


def scatter_nd(x: Tensor, index: Tensor, updates: Tensor, reduction: str) -> Tensor:
    """``x`` with ``updates`` put at, or combined with, the slices whose coordinates ``index`` holds."""
    updates = updates.to(x.dtype)
    if reduction in ("none", "add"):
        return torch.index_put(x, coordinates(index), updates, accumulate=reduction == "add")
    depth = index.shape[-1]
    count, size = math.prod(x.shape[:depth]), math.prod(x.shape[depth:])
    rows = row_numbers(x, index).reshape(-1, 1).expand(-1, size)
    reduced = torch.scatter_reduce(x.reshape(count, size), 0, rows, updates.reshape(-1, size), _REDUCTIONS[reduction])
    return reduced.reshape(x.shape)


@LOWERINGS.register("Scatter", "ScatterElements")
def _scatter_elements(ctx: LowerContext) -> Any:
    reduction = ctx.attr("reduction", "none")
    return ctx.call(scatter_elements, *ctx.tensors(), ctx.attr("axis", 0), reduction)


@LOWERINGS.register("ScatterND")
def _scatter_nd(ctx: LowerContext) -> Any:
    """Known rows one after the other are what ``x[2:5] = y`` is exported as."""
    index, reduction = ctx.value(1), ctx.attr("reduction", "none")
    if isinstance(index, Tensor) and index.ndim == 2 and index.shape[1] == 1 and reduction == "none":
        rows = index[:, 0]
        if is_run(rows):
            return ctx.call(torch.slice_scatter, ctx.tensor(0), ctx.tensor(2), 0, int(rows[0]), int(rows[-1]) + 1)
    return ctx.call(scatter_nd, *ctx.tensors(), reduction)
