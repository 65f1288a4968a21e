"""Sequences, which are Python lists of tensors, and optional values, which are there or not at conversion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.host_values import number_call, one


def sequence(anchor: Tensor, *items: Tensor) -> list[Tensor]:
    """A list, made at run time (the first argument sees to that)."""
    return list(items)


def insert(items: Sequence[Tensor], item: Tensor, place: Any) -> list[Tensor]:
    """With ``item`` at ``place``, or at the end."""
    where = len(items) if place is None else one(place)
    where = where if where >= 0 else where + len(items)
    return [*items[:where], item, *items[where:]]


def erase(items: Sequence[Tensor], place: Any) -> list[Tensor]:
    """Without the item at ``place``, or the last."""
    where = (-1 if place is None else one(place)) % len(items)
    return [*items[:where], *items[where + 1 :]]


def at(items: Sequence[Tensor], place: Any) -> Any:
    """The item at ``place``."""
    return items[one(place)]


def concat(items: Sequence[Tensor], axis: int, new_axis: bool) -> Tensor:
    """All items along one axis."""
    return torch.stack(tuple(items), axis) if new_axis else torch.cat(tuple(items), axis)


def split(x: Tensor, sizes: Any, axis: int, keep: bool) -> list[Tensor]:
    """Parts of these sizes, or of one size; without sizes, the single slices."""
    if sizes is None:
        parts = torch.split(x, 1, axis)
        return list(parts) if keep else [part.squeeze(axis) for part in parts]
    return list(torch.split(x, sizes, axis))


def for_each(
    body: nn.Module, items: Sequence[Tensor], others: Sequence[Any], captured: Sequence[Any], count: int
) -> tuple[list[Tensor], ...]:
    """The body's results for each item; other sequences go along, tensors stay the same."""
    rows = [
        body(item, *(other[i] if isinstance(other, (list, tuple)) else other for other in others), *captured)
        for i, item in enumerate(items)
    ]
    return tuple([row[k] for row in rows] for k in range(count))


def is_given(value: Any) -> bool:
    """Whether an optional value is there."""
    return value is not None


@LOWERINGS.register("SequenceEmpty", "SequenceConstruct")
def _construct(ctx: LowerContext) -> Any:
    return ctx.call(sequence, ctx.builder.anchor(), *ctx.tensors())


@LOWERINGS.register("SequenceInsert")
def _insert(ctx: LowerContext) -> Any:
    return ctx.call(insert, ctx.value(0), ctx.tensor(1), ctx.host(2) if ctx.has(2) else None)


@LOWERINGS.register("SequenceErase")
def _erase(ctx: LowerContext) -> Any:
    return ctx.call(erase, ctx.value(0), ctx.host(1) if ctx.has(1) else None)


@LOWERINGS.register("SequenceAt")
def _at(ctx: LowerContext) -> Any:
    return ctx.call(at, ctx.value(0), ctx.host(1))


@LOWERINGS.register("SequenceLength")
def _length(ctx: LowerContext) -> Any:
    return number_call(ctx, len, ctx.value(0))


@LOWERINGS.register("ConcatFromSequence")
def _concat(ctx: LowerContext) -> Any:
    return ctx.call(concat, ctx.value(0), ctx.attr("axis"), bool(ctx.attr("new_axis", 0)))


@LOWERINGS.register("SplitToSequence")
def _split(ctx: LowerContext) -> Any:
    sizes = ctx.host(1) if ctx.has(1) else None
    return ctx.call(split, ctx.tensor(0), sizes, ctx.attr("axis", 0), bool(ctx.attr("keepdims", 1)))


@LOWERINGS.register("SequenceMap")
def _map(ctx: LowerContext) -> Any:
    module, captured = ctx.builder.body(ctx.attr("body"), ctx.node.name or ctx.node.outputs[0].name)
    others, count = [ctx.value(slot) for slot in range(1, ctx.count())], len(ctx.node.outputs)
    return ctx.outputs(for_each, count, module, ctx.value(0), others, captured, count)


@LOWERINGS.register("Optional", "OptionalGetElement")
def _optional(ctx: LowerContext) -> Any:
    return ctx.value(0) if ctx.has(0) else None


@LOWERINGS.register("OptionalHasElement")
def _has_element(ctx: LowerContext) -> Any:
    """Known at conversion, unless it is an input of the graph."""
    is_optional = ctx.has(0) and ctx.node.inputs[0].type == "optional_type"
    return number_call(ctx, is_given, ctx.value(0)) if is_optional else ctx.has(0)
