"""Tensors made of sizes and numbers: Range, ConstantOfShape, EyeLike, OneHot, Trilu."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.element_types import device, element_type, output_type, run_time_type
from compressor.bridge.ops.host_values import one
from compressor.bridge.tensor_types import to_torch, torch_type
from compressor.tensor_values import onnx_type, peek


def arange(start: Any, limit: Any, delta: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    """``start``, ``start + delta`` and on, to before ``limit``."""
    start, limit, delta = one(start), one(limit), one(delta)
    if not any(isinstance(number, float) for number in (start, limit, delta)):
        return torch.arange(start, max(limit, start) if delta > 0 else min(limit, start), delta,
                            dtype=dtype, device=device)  # fmt: skip
    count = max(math.ceil((limit - start) / delta), 0)
    numbers: Tensor = torch.arange(count, device=device) * delta + start
    return numbers.to(dtype)


def full(shape: Sequence[int], value: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The same number everywhere."""
    return torch.full(tuple(shape), value, dtype=dtype, device=device)


def eye_like(x: Tensor, offset: int, dtype: torch.dtype | None) -> Tensor:
    """Ones on the diagonal ``offset`` places right of the main one, of a matrix as large as ``x``."""
    rows, columns = (torch.arange(size, device=x.device) for size in x.shape)
    return (columns[None, :] - rows[:, None] == offset).to(x.dtype if dtype is None else dtype)


def one_hot(index: Tensor, depth: Any, values: Tensor, axis: int) -> Tensor:
    """``values[1]`` where the new axis' place is ``index``, elsewhere ``values[0]``; negative ones count back."""
    size = int(one(depth))
    axis = axis if axis >= 0 else axis + index.ndim + 1
    wanted = index.to(torch.int64).unsqueeze(axis)
    wanted = torch.where(wanted < 0, wanted + size, wanted)
    shape = [1] * (index.ndim + 1)
    shape[axis] = size
    hit = torch.arange(size, device=index.device).reshape(shape) == wanted
    return torch.where(hit, values[1], values[0])


def trilu(x: Tensor, diagonal: int, upper: bool) -> Tensor:
    """The upper or lower triangle, zeros elsewhere."""
    return torch.triu(x, diagonal) if upper else torch.tril(x, diagonal)


@LOWERINGS.register("Range")
def _range(ctx: LowerContext) -> Any:
    dtype = next((kind for slot in range(3) if (kind := element_type(ctx, slot)) is not None), output_type(ctx))
    if dtype is None:
        raise ctx.error("its number type is not known")
    limits = [ctx.host(slot) for slot in range(3)]
    if not any(isinstance(limit, torch.fx.Node) for limit in limits):
        return arange(limits[0], limits[1], limits[2], dtype, torch.device("cpu"))
    return ctx.call(arange, *limits, run_time_type(ctx, dtype), device(ctx))


@LOWERINGS.register("ConstantOfShape")
def _constant_of_shape(ctx: LowerContext) -> Any:
    given, shape = ctx.attr("value"), ctx.host(0)
    value = torch.zeros(1) if given is None else to_torch(peek(given), f"node {ctx.node.name!r}").reshape(-1)
    if isinstance(shape, list):
        return full(shape, value.item(), value.dtype, torch.device("cpu"))
    return ctx.call(full, shape, value.item(), run_time_type(ctx, value.dtype), device(ctx))


@LOWERINGS.register("EyeLike")
def _eye_like(ctx: LowerContext) -> Any:
    kind = ctx.attr("dtype")
    dtype = None if kind is None else torch_type(onnx_type(kind), f"node {ctx.node.name!r}")
    x = ctx.tensor(0)
    if dtype is not None and not isinstance(x, torch.Tensor):
        return ctx.call(eye_like, x, ctx.attr("k", 0), run_time_type(ctx, dtype))
    return ctx.call(eye_like, x, ctx.attr("k", 0), dtype)


@LOWERINGS.register("OneHot")
def _one_hot(ctx: LowerContext) -> Any:
    return ctx.call(one_hot, ctx.tensor(0), ctx.host(1), ctx.tensor(2), ctx.attr("axis", -1))


@LOWERINGS.register("Trilu")
def _trilu(ctx: LowerContext) -> Any:
    diagonal = one(ctx.host(1)) if ctx.has(1) else 0
    return ctx.call(trilu, ctx.tensor(0), diagonal, bool(ctx.attr("upper", 1)))
