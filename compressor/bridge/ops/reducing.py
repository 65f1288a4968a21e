"""All Reduce ops. Axes are an attribute in old opsets and an input in new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.shape import axes_of
from compressor.bridge.ops.unsigned import WIDE_UNSIGNED, unsigned_extreme

Axes: TypeAlias = Sequence[int]
"""Axes to reduce; none given means all."""


def reduce_sum(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """Sums; those of integers keep their type."""
    if x.is_floating_point() or x.is_complex():
        return torch.sum(x, _places(x, axes), keep)
    return torch.sum(x, _places(x, axes), keep, dtype=x.dtype)


def reduce_mean(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """Means; those of integers are cut off toward zero."""
    if x.is_floating_point():
        return torch.mean(x, _places(x, axes), keep)
    return torch.mean(x.to(torch.float64), _places(x, axes), keep).to(x.dtype)


def reduce_max(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """Largest elements; of none, the smallest number."""
    return _extreme(x, axes, keep, torch.amax, lowest=True)


def reduce_min(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """Smallest elements; of none, the largest number."""
    return _extreme(x, axes, keep, torch.amin, lowest=False)


def _extreme(x: Tensor, axes: Axes, keep: bool, function: Callable[..., Tensor], lowest: bool) -> Tensor:
    if x.dtype in WIDE_UNSIGNED:
        return unsigned_extreme(x, axes, keep, largest=lowest)
    if x.numel():
        return function(x, tuple(axes), keep)
    if x.is_floating_point():
        fill: float = float("-inf") if lowest else float("inf")
    elif x.dtype == torch.bool:
        fill = not lowest
    else:
        fill = torch.iinfo(x.dtype).min if lowest else torch.iinfo(x.dtype).max
    counts = torch.sum(x.to(torch.float32), _places(x, axes), keep)
    return torch.full_like(counts, fill, dtype=x.dtype)


def reduce_prod(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """Products; those of integers keep their type."""
    for axis in sorted((axis % x.ndim for axis in _places(x, axes)), reverse=True):
        x = torch.prod(x, axis, keep, dtype=x.dtype)
    return x


def reduce_l1(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """Sums of absolute values."""
    return reduce_sum(x.abs(), axes, keep)


def reduce_l2(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """Roots of sums of squares."""
    if x.is_floating_point():
        norm: Tensor = torch.linalg.vector_norm(x, 2, _places(x, axes), keep)
        return norm
    return reduce_sum(x.to(torch.float64).square(), axes, keep).sqrt().to(x.dtype)


def reduce_sum_square(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """Sums of squares."""
    return reduce_sum(x * x, axes, keep)


def reduce_log_sum(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """Logarithms of sums."""
    return reduce_sum(x, axes, keep).log()


def reduce_log_sum_exp(x: Tensor, axes: Axes, keep: bool) -> Tensor:
    """Logarithms of sums of exponentials."""
    if x.is_floating_point():
        return torch.logsumexp(x, _places(x, axes), keep)
    return torch.logsumexp(x.to(torch.float64), _places(x, axes), keep).to(x.dtype)


_REDUCTIONS: dict[str, Callable[[Tensor, Axes, bool], Tensor]] = {
    "ReduceL1": reduce_l1,
    "ReduceL2": reduce_l2,
    "ReduceLogSum": reduce_log_sum,
    "ReduceLogSumExp": reduce_log_sum_exp,
    "ReduceMax": reduce_max,
    "ReduceMean": reduce_mean,
    "ReduceMin": reduce_min,
    "ReduceProd": reduce_prod,
    "ReduceSum": reduce_sum,
    "ReduceSumSquare": reduce_sum_square,
}
# With noop_with_empty_axes and no axes, what an op does to each element remains.
_OF_ONE_ELEMENT: dict[str, Callable[[Tensor], Tensor]] = {
    "ReduceL1": torch.abs,
    "ReduceL2": torch.abs,
    "ReduceLogSum": torch.log,
    "ReduceSumSquare": torch.square,
}


def reduce_or_keep(x: Tensor, axes: Axes, keep: bool, op: str) -> Tensor:
    """For axes known at run time, where none means that nothing is reduced."""
    if axes:
        return _REDUCTIONS[op](x, axes, keep)
    return _OF_ONE_ELEMENT[op](x) if op in _OF_ONE_ELEMENT else x


def _places(x: Tensor, axes: Axes) -> tuple[int, ...]:
    """The axes as PyTorch wants them, which has no word for "all" that fits every function."""
    return tuple(axes) or tuple(range(x.ndim))


def _register(op: str, function: Callable[[Tensor, Axes, bool], Tensor]) -> None:
    @LOWERINGS.register(op)
    def lower(ctx: LowerContext) -> Any:
        x, axes, keep = ctx.tensor(0), axes_of(ctx), bool(ctx.attr("keepdims", 1))
        axes = () if axes is None else axes
        if ctx.attr("noop_with_empty_axes", 0) and not (axes and not isinstance(axes, fx.Node)):
            return ctx.call(reduce_or_keep, x, axes, keep, op)
        return ctx.call(function, x, axes, keep)


for _op, _function in _REDUCTIONS.items():
    _register(_op, _function)
