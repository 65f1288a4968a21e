"""Lists of sizes as Python lists: the rest of what shape subgraphs are made of."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch

from compressor.bridge.lowering import HOST_LOWERINGS, LowerContext
from compressor.bridge.ops.shape import axes_of
from compressor.bridge.tensor_types import to_torch
from compressor.tensor_values import peek

_LONGEST = 64  # elements; longer lists are data, not sizes


def pick(values: Sequence[Any], index: Sequence[int]) -> list[Any]:
    """The elements at these places."""
    return [values[i] for i in index]


def join(*parts: Any) -> list[Any]:
    """One list of several, numbers counting as lists of one."""
    joined: list[Any] = []
    for part in parts:
        if isinstance(part, (list, tuple)):
            joined.extend(part)
        else:
            joined.append(part)
    return joined


def in_list(value: Any) -> Any:
    """A number as a list of one."""
    return [value]


def without_axis(value: Any) -> Any:
    """The number in a list of one; a number as it is."""
    return value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def parts_of(values: Sequence[Any], sizes: Sequence[int]) -> tuple[list[Any], ...]:
    """Consecutive parts of a list."""
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
    return tuple(list(values[end - size : end]) for end, size in zip(ends, sizes, strict=True))


def repeat(value: Any, count: Any) -> Any:
    """A number as often as the list of one says; alone for an empty list."""
    return [value] * count[0] if count else value


@HOST_LOWERINGS.register("Gather")
def _gather(ctx: LowerContext) -> Any:
    index = ctx.value(1)
    if isinstance(index, torch.Tensor):
        places: Any = index.tolist()
        return ctx.host_call(pick if isinstance(places, list) else operator.getitem, ctx.host(0), places)
    return NotImplemented


@HOST_LOWERINGS.register("Concat")
def _concat(ctx: LowerContext) -> Any:
    return ctx.host_call(join, *(ctx.host(slot) for slot in range(ctx.count())))


@HOST_LOWERINGS.register("Identity")
def _identity(ctx: LowerContext) -> Any:
    return ctx.value(0)


@HOST_LOWERINGS.register("Unsqueeze")
def _unsqueeze(ctx: LowerContext) -> Any:
    axes = axes_of(ctx)
    return ctx.host_call(in_list, ctx.host(0)) if axes in ((0,), (-1,)) and _is_number(ctx) else NotImplemented


@HOST_LOWERINGS.register("Squeeze")
def _squeeze(ctx: LowerContext) -> Any:
    return ctx.host_call(without_axis, ctx.host(0))


@HOST_LOWERINGS.register("Reshape", "Expand")
def _reshape(ctx: LowerContext) -> Any:
    shape = ctx.value(1)
    if not isinstance(shape, torch.Tensor) or ctx.value(0) is shape:
        return NotImplemented
    wanted = shape.tolist()
    if wanted == []:
        return ctx.host_call(without_axis, ctx.host(0)) if ctx.node.op == "Reshape" else ctx.value(0)
    if wanted in ([-1], [1]):
        return ctx.host_call(join, ctx.host(0))
    return NotImplemented


@HOST_LOWERINGS.register("Split")
def _split(ctx: LowerContext) -> Any:
    sizes = ctx.constant(1) if ctx.has(1) else ctx.attr("split")
    if sizes is None:
        return NotImplemented
    parts = ctx.host_call(parts_of, ctx.host(0), list(sizes))
    return tuple(ctx.host_call(operator.getitem, parts, i) for i in range(len(sizes)))


@HOST_LOWERINGS.register("ConstantOfShape")
def _constant_of_shape(ctx: LowerContext) -> Any:
    """Only as long as some axes are many: the ones and minus ones that sizes are compared with."""
    sizes = ctx.node.inputs[0].shape
    given, length = ctx.attr("value"), ctx.node.outputs[0].shape
    small = length is not None and len(length) == 1 and isinstance(length[0], int) and length[0] <= _LONGEST
    if sizes is None or not small or given is None:
        return NotImplemented
    value = to_torch(peek(given), f"node {ctx.node.name!r}")
    return NotImplemented if value.is_floating_point() else ctx.host_call(repeat, value.item(), ctx.host(0))


def _is_number(ctx: LowerContext) -> bool:
    """Whether input 0 has no axes, as far as the file tells: shapes have one, and their elements none."""
    shape = ctx.node.inputs[0].shape
    return shape is None or len(shape) == 0
