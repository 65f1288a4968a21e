"""ArgMax, ArgMin, TopK, NonZero, Unique, Compress."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.host_values import one


def arg_extreme(x: Tensor, axis: int, keep: bool, last: bool, largest: bool) -> Tensor:
    """Where the largest or smallest element along ``axis`` is: the first such place, or the last."""
    function: Callable[..., Tensor] = torch.argmax if largest else torch.argmin
    if x.dtype == torch.float16 and x.device.type == "cpu":
        x = x.to(torch.float32)  # exact, and the half precision kernel may be missing
    if last:
        return x.shape[axis] - 1 - function(x.flip(axis), axis, keep)
    return function(x, axis, keep)


def top_k(x: Tensor, k: Any, axis: int, largest: bool) -> tuple[Tensor, Tensor]:
    """The k largest or smallest, in order; of equal ones those with lower indices, as ONNX demands."""
    count = one(k)
    values, places = torch.sort(x, dim=axis, descending=largest, stable=True)
    return values.narrow(axis, 0, count), places.narrow(axis, 0, count)


def non_zero(x: Tensor) -> Tensor:
    """Coordinates of all elements that are not zero, one column each."""
    return torch.nonzero(x if x.ndim else x.reshape(1)).t()


def compress(x: Tensor, condition: Tensor, axis: int | None) -> Tensor:
    """The elements, or slices along ``axis``, where ``condition`` holds; it may be shorter than the axis."""
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    return torch.index_select(x, axis, torch.nonzero(condition).reshape(-1))


def unique(x: Tensor, axis: int | None, in_order: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Different elements or slices, where each is first, which one each element is, and how many there are."""
    values, inverse, counts = torch.unique(x, sorted=True, return_inverse=True, return_counts=True, dim=axis)
    inverse = inverse.reshape(-1)
    places = torch.arange(inverse.numel(), device=x.device)
    first = torch.full_like(counts, inverse.numel()).scatter_reduce(0, inverse, places, "amin")
    if not in_order:
        order = torch.argsort(first)
        values = values.index_select(0 if axis is None else axis, order)
        inverse = torch.argsort(order)[inverse]
        first, counts = first[order], counts[order]
    return values, first, inverse, counts


def _register_extreme(op: str, largest: bool) -> None:
    @LOWERINGS.register(op)
    def lower(ctx: LowerContext) -> Any:
        keep, last = bool(ctx.attr("keepdims", 1)), bool(ctx.attr("select_last_index", 0))
        return ctx.call(arg_extreme, ctx.tensor(0), ctx.attr("axis", 0), keep, last, largest)


_register_extreme("ArgMax", True)
_register_extreme("ArgMin", False)


@LOWERINGS.register("TopK")
def _top_k(ctx: LowerContext) -> Any:
    k = ctx.host(1) if ctx.has(1) else ctx.attr("k")
    return ctx.outputs(top_k, 2, ctx.tensor(0), k, ctx.attr("axis", -1), bool(ctx.attr("largest", 1)))


@LOWERINGS.register("NonZero")
def _non_zero(ctx: LowerContext) -> Any:
    return ctx.call(non_zero, ctx.tensor(0))


@LOWERINGS.register("Compress")
def _compress(ctx: LowerContext) -> Any:
    return ctx.call(compress, ctx.tensor(0), ctx.tensor(1), ctx.attr("axis"))


@LOWERINGS.register("Unique")
def _unique(ctx: LowerContext) -> Any:
    return ctx.outputs(unique, 4, ctx.tensor(0), ctx.attr("axis"), bool(ctx.attr("sorted", 1)))
