"""Lists of sizes as Python lists: the rest of what shape subgraphs are made of."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import fx

from compressor.bridge.lowering import HOST_LOWERINGS, LowerContext
from compressor.bridge.ops.host_values import elements_of, is_number, list_of, number_call
from compressor.bridge.ops.shape import axes_of, shape_of
from compressor.bridge.tensor_types import to_torch
from compressor.tensor_values import peek

_LONGEST = 64  # elements; longer lists are data, not sizes


def length_of(values: Sequence[Any]) -> list[int]:
    """The shape of a list."""
    return [len(values)]


def join(*parts: Any) -> list[Any]:
    """One list of several, numbers counting as lists of one."""
    joined: list[Any] = []
    for part in parts:
        if isinstance(part, (list, tuple)):
            joined.extend(part)
        else:
            joined.append(part)
    return joined


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


@HOST_LOWERINGS.register("Shape")
def _shape(ctx: LowerContext) -> Any:
    if is_number(ctx.value(0)):
        return []
    elements = elements_of(ctx.value(0))
    return ctx.host_call(length_of, ctx.host(0)) if elements is None else [len(elements)]


@HOST_LOWERINGS.register("Gather")
def _gather(ctx: LowerContext) -> Any:
    values, index = ctx.value(0), ctx.value(1)
    if not isinstance(index, torch.Tensor):
        return NotImplemented
    places: Any = index.tolist()
    if isinstance(places, list):
        return ctx.host_call(list_of, *(_number_at(ctx, values, place) for place in places))
    return _number_at(ctx, values, places)


def _number_at(ctx: LowerContext, values: Any, place: int) -> Any:
    """One number of a host list, found the shortest way."""
    elements = elements_of(values)
    if elements is not None:
        return elements[place]
    if values.target is shape_of and values.args[1:] == (0, None):
        return number_call(ctx, torch.Tensor.size, values.args[0], place)
    return number_call(ctx, operator.getitem, values, place)


@HOST_LOWERINGS.register("Concat")
def _concat(ctx: LowerContext) -> Any:
    parts = [elements_of(ctx.value(slot)) for slot in range(ctx.count())]
    if any(part is None for part in parts):
        return ctx.host_call(join, *(ctx.host(slot) for slot in range(ctx.count())))
    return ctx.host_call(list_of, *(number for part in parts if part is not None for number in part))


@HOST_LOWERINGS.register("Identity")
def _identity(ctx: LowerContext) -> Any:
    return ctx.value(0)


@HOST_LOWERINGS.register("Unsqueeze")
def _unsqueeze(ctx: LowerContext) -> Any:
    axes = axes_of(ctx)
    value, shape = ctx.value(0), ctx.node.inputs[0].shape
    single = is_number(value) or (shape is not None and len(shape) == 0)
    return ctx.host_call(list_of, ctx.host(0)) if single and axes in ((0,), (-1,)) else NotImplemented


@HOST_LOWERINGS.register("Squeeze")
def _squeeze(ctx: LowerContext) -> Any:
    return without(ctx)


def without(ctx: LowerContext) -> Any:
    """Input 0 as a number, if it is a list of one."""
    elements = elements_of(ctx.value(0))
    if elements is not None and len(elements) == 1:
        return elements[0]
    return ctx.host_call(without_axis, ctx.host(0))


@HOST_LOWERINGS.register("Reshape", "Expand")
def _reshape(ctx: LowerContext) -> Any:
    shape = ctx.value(1)
    if not isinstance(shape, torch.Tensor) or ctx.value(0) is shape:
        return NotImplemented
    wanted = shape.tolist()
    if wanted == []:
        return without(ctx) if ctx.node.op == "Reshape" else ctx.value(0)
    elements = elements_of(ctx.value(0))
    if wanted in ([-1], [1]) and elements is not None:
        return ctx.host_call(list_of, *elements)
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
    """Only as long as there are axes: the ones, or minus ones, that sizes are compared with."""
    count, given = ctx.value(0), ctx.attr("value")
    declared = ctx.node.outputs[0].shape
    short = declared is not None and len(declared) == 1 and isinstance(declared[0], int) and declared[0] <= _LONGEST
    if given is None or not (short or (isinstance(count, fx.Node) and count.target is length_of)):
        return NotImplemented
    value = to_torch(peek(given), f"node {ctx.node.name!r}")
    return NotImplemented if value.is_floating_point() else ctx.host_call(repeat, value.item(), ctx.host(0))
