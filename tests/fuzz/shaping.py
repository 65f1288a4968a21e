"""Reshape and Expand as exporters write them: constants, -1 and 0, or sizes computed from Shape."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fuzz.builder import Builder, Dim, Shape, Value, product


def reshape(b: Builder, value: Value, shape: Shape) -> Value:
    """``value`` as ``shape``, its target written in one of the ways that fit."""
    entries = _constant_target(b, value, shape)
    if entries is not None and b.draw.chance(65):
        return b.op("Reshape", [value, b.constant(entries)], shape)
    return b.op("Reshape", [value, computed_target(b, value, shape)], shape)


def _constant_target(b: Builder, value: Value, shape: Shape) -> list[int] | None:
    """Numbers, 0 for what is copied, and at most one -1; None when too many sizes are dynamic."""
    entries: list[int] = []
    inferred = False
    for i, dim in enumerate(shape):
        copied = i < value.rank and value.shape[i] == dim
        if copied and (not dim.static or b.draw.chance(20)):
            entries.append(0)
        elif dim.static:
            entries.append(dim.factor)
        elif inferred:
            return None
        else:
            inferred = True
            entries.append(-1)
    if not inferred and b.draw.chance(30):
        entries[b.draw.integer(0, len(entries) - 1)] = -1
    return entries


def computed_target(b: Builder, value: Value, shape: Shape) -> str:
    """Shape -> Gather -> arithmetic -> Unsqueeze -> Concat; one entry may be -1."""
    parts: list[str] = []
    for dim in shape:
        found = _size_of(b, value, dim)
        parts.append(b.constant([dim.factor]) if found is None else found)
    if b.draw.chance(25):
        parts[b.draw.integer(0, len(parts) - 1)] = b.constant([-1])
    return b.raw("Concat", parts, axis=0)[0]


def _size_of(b: Builder, value: Value, dim: Dim) -> str | None:
    """A vector of one number computed at run time; None for a static size that may as well be written."""
    if dim.static:
        wide = [i for i, own in enumerate(value.shape) if own.static and own.factor > 1]
        if not wide or not b.draw.chance(35):
            return None
        axis = b.draw.pick(wide)
        own = value.size(axis)
        if own % dim.factor == 0:
            return _vector(b, _times(b, _read(b, value, axis), 1, own // dim.factor))
        return None if dim.factor % own else _vector(b, _times(b, _read(b, value, axis), dim.factor // own, 1))
    for axis, have in enumerate(value.shape):
        if have.symbols == dim.symbols and dim.factor % have.factor == 0:
            return _vector(b, _times(b, _read(b, value, axis), dim.factor // have.factor, 1))
        if have.symbols == dim.symbols and have.factor % dim.factor == 0:
            return _vector(b, _times(b, _read(b, value, axis), 1, have.factor // dim.factor))
    total: str | None = None
    for symbol in dim.symbols:
        source, axis = next((v, i) for v in b.inputs for i, d in enumerate(v.shape) if d == Dim(1, (symbol,)))
        one = _read(b, source, axis)
        total = one if total is None else b.raw("Mul", [total, one])[0]
    return None if total is None else _vector(b, _times(b, total, dim.factor, 1))


def _read(b: Builder, value: Value, axis: int) -> str:
    """One size of a tensor, a scalar."""
    index = b.constant(b.draw.pick([axis, axis - value.rank]))
    return b.raw("Gather", [b.raw("Shape", [value.name])[0], index], axis=0)[0]


def _times(b: Builder, scalar: str, numerator: int, denominator: int) -> str:
    if numerator != 1:
        scalar = b.raw("Mul", [scalar, b.constant(numerator)])[0]
    if denominator != 1:
        scalar = b.raw("Div", [scalar, b.constant(denominator)])[0]
    return scalar


def _vector(b: Builder, scalar: str) -> str:
    if b.opset >= 13:
        return b.raw("Unsqueeze", [scalar, b.constant([0])])[0]
    return b.raw("Unsqueeze", [scalar], axes=[0])[0]


def expand(b: Builder, value: Value, shape: Shape) -> Value:
    """``value`` stretched to ``shape``; 1 leaves an axis as it is."""
    same = len(shape) == value.rank and all(not d.static for d, o in zip(shape, value.shape, strict=True) if d == o)
    if all(d.static or o == d for d, o in zip(shape, _aligned(value, len(shape)), strict=True)) and b.draw.chance(60):
        entries = [
            1 if own == dim and (not dim.static or same) else dim.factor
            for dim, own in zip(shape, _aligned(value, len(shape)), strict=True)
        ]
        return b.op("Expand", [value, b.constant(entries)], shape)
    parts = [_size_of(b, value, dim) or b.constant([dim.factor]) for dim in shape]
    return b.op("Expand", [value, b.raw("Concat", parts, axis=0)[0]], shape)


def _aligned(value: Value, rank: int) -> Sequence[Dim]:
    return [Dim(1)] * (rank - value.rank) + list(value.shape)


def flatten(b: Builder, value: Value) -> Value:
    """[N, ...] as [N, rest]."""
    shape = (value.shape[0], product(value.shape[1:]))
    if b.draw.chance(50):
        return b.op("Flatten", [value], shape, axis=b.draw.pick([1, 1 - value.rank]))
    return reshape(b, value, shape)
