"""Gather, GatherElements and GatherND."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.element_types import element_type, rank
from compressor.bridge.ops.unsigned import WIDE_UNSIGNED


def from_start(index: Tensor, size: int) -> Tensor:
    """Indices counted from the end, which are negative, counted from the start."""
    return torch.where(index < 0, index + size, index)


def embed(table: Tensor, index: Tensor) -> Tensor:
    """Rows of a matrix."""
    return F.embedding(from_start(index, table.shape[0]), table)


def gather(x: Tensor, index: Tensor, axis: int) -> Tensor:
    """Slices of ``x`` along ``axis``; the axes of ``index`` take its place."""
    axis = axis if axis >= 0 else axis + x.ndim
    found = torch.index_select(x, axis, from_start(index.reshape(-1), x.shape[axis]))
    return found.reshape(x.shape[:axis] + index.shape + x.shape[axis + 1 :])


def gather_any_type(x: Tensor, index: Tensor, axis: int) -> Tensor:
    """As ``gather``, for types that index_select lacks."""
    index = index.to(torch.int64)
    if x.dtype in WIDE_UNSIGNED:
        return x[(slice(None),) * (axis if axis >= 0 else axis + x.ndim) + (index,)]
    return gather(x, index, axis)


def gather_elements(x: Tensor, index: Tensor, axis: int) -> Tensor:
    """``x[..., index[..., i, ...], ...]`` at every place of ``index``."""
    index = index.to(torch.int64)
    return torch.gather(x, axis, from_start(index, x.shape[axis]))


def gather_nd(x: Tensor, index: Tensor, batch_axes: int) -> Tensor:
    """Slices of ``x`` at the coordinates in the last axis of ``index``; the first axes go along with it."""
    depth = index.shape[-1]
    if batch_axes or depth == 0 or x.dtype in WIDE_UNSIGNED:
        return x[coordinates(index, batch_axes)]
    rows = row_numbers(x, index)  # gradients flow back through index_select much faster than through indexing
    found = torch.index_select(x.flatten(0, depth - 1), 0, rows.reshape(-1))
    return found.reshape(rows.shape + x.shape[depth:])


def row_numbers(x: Tensor, index: Tensor) -> Tensor:
    """Where the slices that ``index`` names are, once the axes that it has coordinates for are one."""
    rows = torch.zeros(index.shape[:-1], dtype=torch.int64, device=index.device)
    for axis, part in enumerate(coordinates(index)):
        rows = rows * x.shape[axis] + from_start(part, x.shape[axis])
    return rows


def coordinates(index: Tensor, batch_axes: int = 0) -> tuple[Tensor, ...]:
    """The coordinates in the last axis of ``index``, as tensors to index with."""
    parts = index.to(torch.int64).unbind(-1)
    batch = []
    for axis in range(batch_axes):
        shape = [1] * (index.ndim - 1)
        shape[axis] = -1
        batch.append(torch.arange(index.shape[axis], device=index.device).reshape(shape))
    return (*batch, *parts)


@LOWERINGS.register("Gather")
def _gather(ctx: LowerContext) -> Any:
    axis, index, x = ctx.attr("axis", 0), ctx.value(1), ctx.tensor(0)
    kind = element_type(ctx, 0)
    if isinstance(index, torch.Tensor):
        if index.ndim == 0:
            return ctx.call(torch.select, x, axis, int(index))
        if is_run(index):
            return ctx.call(torch.narrow, x, axis, int(index[0]), index.numel())
        if index.ndim == 1 and index.numel() and int(index.min()) >= 0 and kind not in WIDE_UNSIGNED:
            return ctx.call(torch.index_select, x, axis, index.to(torch.int64))
    if kind is None or kind in WIDE_UNSIGNED:
        return ctx.call(gather_any_type, x, ctx.tensor(1), axis)
    if axis == 0 and rank(ctx, 0) == 2 and kind.is_floating_point:
        return ctx.call(embed, x, ctx.tensor(1))
    return ctx.call(gather, x, ctx.tensor(1), axis)


def is_run(index: Tensor) -> bool:
    """Consecutive indices, such as 2, 3, 4?"""
    if index.ndim != 1 or not index.numel() or int(index[0]) < 0:
        return False
    return bool(torch.equal(index, torch.arange(index.numel(), dtype=index.dtype) + index[0]))


@LOWERINGS.register("GatherElements")
def _gather_elements(ctx: LowerContext) -> Any:
    return ctx.call(gather_elements, ctx.tensor(0), ctx.tensor(1), ctx.attr("axis", 0))


@LOWERINGS.register("GatherND")
def _gather_nd(ctx: LowerContext) -> Any:
    return ctx.call(gather_nd, ctx.tensor(0), ctx.tensor(1), ctx.attr("batch_dims", 0))
