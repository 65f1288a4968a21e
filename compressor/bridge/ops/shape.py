"""Shape and Size, and ops that change how the same numbers are laid out in axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.element_types import rank
from compressor.bridge.ops.host_values import elements_of, list_of, number_call


def shape_of(x: Tensor, start: int, end: int | None) -> list[int]:
    """Sizes of the axes from ``start`` to before ``end``."""
    return list(x.shape[start:end])


def reshape(x: Tensor, shape: Sequence[int], allow_zero: bool) -> Tensor:
    """ONNX's Reshape: 0 keeps the size at its place, unless zeros are allowed; -1 takes what is left."""
    if not allow_zero:
        shape = [x.shape[i] if size == 0 else size for i, size in enumerate(shape)]
    return torch.reshape(x, tuple(shape))


def flatten(x: Tensor, axis: int) -> Tensor:
    """Two axes: those before ``axis``, and the others."""
    axis = axis if axis >= 0 else axis + x.ndim
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def reverse_axes(x: Tensor) -> Tensor:
    """The axes in opposite order."""
    return x.permute(tuple(range(x.ndim - 1, -1, -1)))


def squeeze(x: Tensor, axes: Sequence[int]) -> Tensor:
    """Without the given axes, which have size 1."""
    return torch.squeeze(x, tuple(axes))


def unsqueeze(x: Tensor, axes: Sequence[int]) -> Tensor:
    """With new axes of size 1, at these places of the result."""
    count = x.ndim + len(axes)
    for axis in sorted(axis % count for axis in axes):
        x = x.unsqueeze(axis)
    return x


def expand(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Broadcast both ways: sizes of 1 in ``shape`` leave ``x`` as it is."""
    return x.expand(expanded_sizes(x.ndim, shape))


def expanded_sizes(count: int, shape: Sequence[int]) -> list[int]:
    """What ``Tensor.expand`` wants for a tensor of ``count`` axes: -1 for sizes that stay."""
    shape = [1] * (count - len(shape)) + list(shape)
    added = len(shape) - count
    return [-1 if size == 1 and i >= added else size for i, size in enumerate(shape)]


@LOWERINGS.register("Shape")
def _shape(ctx: LowerContext) -> Any:
    x, start, end = ctx.tensor(0), ctx.attr("start", 0), ctx.attr("end")
    axes = rank(ctx, 0)
    if axes is None and start >= 0 and end == start + 1:
        axes = end  # one size is asked for, so it is there
    if axes is None:
        return ctx.host_call(shape_of, x, start, end)
    sizes = (number_call(ctx, torch.Tensor.size, x, axis) for axis in range(axes)[start:end])
    return ctx.host_call(list_of, *sizes)  # sizes that nobody reads go


@LOWERINGS.register("Size")
def _size(ctx: LowerContext) -> Any:
    return number_call(ctx, torch.numel, ctx.tensor(0))


@LOWERINGS.register("Reshape")
def _reshape(ctx: LowerContext) -> Any:
    x, shape, allow_zero = ctx.tensor(0), ctx.host(1), bool(ctx.attr("allowzero", 0))
    if isinstance(shape, fx.Node):
        known = elements_of(shape)
        if known is None or 0 in known:
            return ctx.call(reshape, x, shape, allow_zero)
        return ctx.call(torch.reshape, x, tuple(known))
    if not allow_zero:
        if shape.count(0) == 1 and -1 not in shape:
            shape = [size or -1 for size in shape]
        shape = [size or ctx.call(torch.Tensor.size, x, i) for i, size in enumerate(shape)]
    return ctx.call(torch.reshape, x, tuple(shape))


@LOWERINGS.register("Flatten")
def _flatten(ctx: LowerContext) -> Any:
    axis, axes = ctx.attr("axis", 1), rank(ctx, 0)
    if axis == 1 and axes is not None and axes > 1:
        return ctx.call(torch.flatten, ctx.tensor(0), 1)
    return ctx.call(flatten, ctx.tensor(0), axis)


@LOWERINGS.register("Transpose")
def _transpose(ctx: LowerContext) -> Any:
    order = ctx.attr("perm")
    if order is None:
        return ctx.call(reverse_axes, ctx.tensor(0))
    return ctx.call(torch.permute, ctx.tensor(0), tuple(order))


@LOWERINGS.register("Squeeze")
def _squeeze(ctx: LowerContext) -> Any:
    axes = axes_of(ctx)
    if axes is None:
        return ctx.call(torch.squeeze, ctx.tensor(0))
    return ctx.call(squeeze if isinstance(axes, fx.Node) else torch.squeeze, ctx.tensor(0), axes)


@LOWERINGS.register("Unsqueeze")
def _unsqueeze(ctx: LowerContext) -> Any:
    axes, x = axes_of(ctx), ctx.tensor(0)
    if isinstance(axes, fx.Node) or (min(axes) < 0 <= max(axes)):
        return ctx.call(unsqueeze, x, axes)
    for axis in sorted(axes, key=abs):  # negative places count from the end: the last one first
        x = ctx.call(torch.unsqueeze, x, axis)
    return x


@LOWERINGS.register("Expand")
def _expand(ctx: LowerContext) -> Any:
    x, shape, axes = ctx.tensor(0), ctx.host(1), rank(ctx, 0)
    known = elements_of(shape)
    if known is None or axes is None or any(isinstance(size, fx.Node) for size in known):
        return ctx.call(expand, x, shape if known is None else known)
    return ctx.call(torch.Tensor.expand, x, tuple(expanded_sizes(axes, known)))


def axes_of(ctx: LowerContext, slot: int = 1) -> Any:
    """The axes an op works on: an attribute in old opsets, an input in new ones; None where not given."""
    axes = ctx.host(slot) if ctx.has(slot) else ctx.attr("axes")
    if axes is None or isinstance(axes, fx.Node):
        return axes
    return tuple(axes) if isinstance(axes, (list, tuple)) else (axes,)
