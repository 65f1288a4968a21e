"""Slice, of all opsets."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from compressor.bridge.lowering import HOST_LOWERINGS, LOWERINGS, LowerContext
from compressor.bridge.ops.element_types import rank
from compressor.bridge.ops.host_values import elements_of, list_of, number_call
from compressor.bridge.ops.shape import shape_of

_TO_THE_END = 2**31 - 1  # what exporters write for "up to the end", or more


def slice_tensor(
    x: Tensor, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int] | None, steps: Sequence[int] | None
) -> Tensor:
    """ONNX's Slice: as in Python, along the given axes; backwards where a step is negative."""
    places = range(len(starts)) if axes is None else axes
    cuts = [slice(None)] * x.ndim
    backwards = []
    for i, axis in enumerate(places):
        step = 1 if steps is None else steps[i]
        if step > 0:
            cuts[axis] = slice(starts[i], ends[i], step)
        else:
            cuts[axis] = mirrored(starts[i], ends[i], step, x.shape[axis])
            backwards.append(axis)
    x = x[tuple(cuts)]
    return x.flip(backwards) if backwards else x


def mirrored(start: int, end: int, step: int, size: int) -> slice:
    """The same elements as of a slice with a negative step, in opposite order."""
    first, _, _ = found = slice(start, end, step).indices(size)
    count = len(range(*found))
    return slice(first + (count - 1) * step, first + 1, -step) if count else slice(0, 0)


def slice_list(x: Sequence[Any], start: Sequence[int], end: Sequence[int], step: Sequence[int] | None) -> list[Any]:
    """A part of a host list."""
    return list(x[start[0] : end[0] : 1 if step is None else step[0]])


@LOWERINGS.register("Slice")
def _slice(ctx: LowerContext) -> Any:
    given = _arguments(ctx)
    x, axes = ctx.tensor(0), rank(ctx, 0)
    starts, ends, places, steps = (None if part is None else elements_of(part) for part in given)
    if not starts or ends is None or isinstance(given[2], fx.Node) or isinstance(given[3], fx.Node):
        return ctx.call(slice_tensor, x, *given)
    places = list(range(len(starts))) if places is None else places
    from_end = axes is None and max(places) < 0
    if axes is None:
        axes = -min(places) if from_end else max(places) + 1
    if min(steps or [1]) < 0 or (min(places) < 0 <= max(places) and rank(ctx, 0) is None):
        return ctx.call(slice_tensor, x, *given)
    cuts = [slice(None)] * axes
    for i, axis in enumerate(places):
        to_the_end = not isinstance(ends[i], fx.Node) and ends[i] >= _TO_THE_END
        cuts[axis] = slice(starts[i] or None, None if to_the_end else ends[i], steps[i] if steps else None)
    while cuts and cuts[-1] == slice(None) and not from_end:
        cuts.pop()
    return ctx.call(operator.getitem, x, (..., *cuts) if from_end else tuple(cuts)) if cuts else x


@HOST_LOWERINGS.register("Slice")
def _host_slice(ctx: LowerContext) -> Any:
    starts, ends, _, steps = _arguments(ctx)
    values = ctx.value(0)
    if isinstance(values, fx.Node) and not any(isinstance(part, fx.Node) for part in (starts, ends, steps)):
        numbers = elements_of(values)
        if numbers is not None:
            return ctx.host_call(list_of, *slice_list(numbers, starts, ends, steps))
        is_last = starts[0] == -1 and ends[0] >= _TO_THE_END
        if values.target is shape_of and values.args[1:] == (0, None) and (is_last or ends[0] == starts[0] + 1 > 0):
            return ctx.host_call(list_of, number_call(ctx, torch.Tensor.size, values.args[0], starts[0]))
    return ctx.host_call(slice_list, ctx.host(0), starts, ends, steps)


def _arguments(ctx: LowerContext) -> list[Any]:
    """starts, ends, axes and steps: attributes up to opset 9, then inputs."""
    if ctx.count() > 1:
        return [ctx.host(slot) if ctx.has(slot) else None for slot in (1, 2, 3, 4)]
    given = [ctx.attr(name) for name in ("starts", "ends", "axes")]
    return [None if part is None else list(part) for part in given] + [None]
