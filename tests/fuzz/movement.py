"""Blocks that move, pick, repeat, join and reduce along any axis of any tensor."""

from __future__ import annotations

import numpy as np

from tests.fuzz.builder import MOST_ELEMENTS, ONE, Builder, Dim, Value, product
from tests.fuzz.shaping import expand, reshape


def static_axis(b: Builder, v: Value, least: int = 2) -> int | None:
    """A static axis of at least ``least`` indices."""
    axes = [i for i in range(v.rank - 1, -1, -1) if v.static(i) and v.size(i) >= least]
    return b.draw.pick(axes) if axes else None


def _with(v: Value, axis: int, size: int) -> tuple[Dim, ...]:
    return (*v.shape[:axis], Dim(size), *v.shape[axis + 1 :])


def permute(b: Builder, v: Value) -> Value:
    order = list(range(v.rank))
    for i in range(v.rank - 1, 0, -1):
        j = b.draw.integer(0, i)
        order[i], order[j] = order[j], order[i]
    return b.transpose(v, *order)


def merge_axes(b: Builder, v: Value) -> Value:
    """Two neighbours become one axis."""
    if v.rank < 3:
        return v
    i = b.draw.integer(0, v.rank - 2)
    return reshape(b, v, (*v.shape[:i], v.shape[i] * v.shape[i + 1], *v.shape[i + 2 :]))


def split_axis(b: Builder, v: Value) -> Value:
    """One axis becomes two."""
    axes = [i for i in range(v.rank) if v.size(i) > 1 and v.rank < 6]
    if not axes:
        return v
    i = b.draw.pick(axes)
    dim = v.shape[i]
    part = b.draw.pick([f for f in range(1, dim.factor + 1) if dim.factor % f == 0])
    outer = Dim(dim.factor // part, dim.symbols)
    return reshape(b, v, (*v.shape[:i], outer, Dim(part), *v.shape[i + 1 :]))


def regroup(b: Builder, v: Value) -> Value:
    """The static tail of a tensor read as other sizes that need not line up with the old ones."""
    first = next((i for i in range(v.rank) if all(d.static for d in v.shape[i:])), v.rank)
    if v.rank - first < 2:
        return v
    total = product(v.shape[first:]).factor
    part = b.draw.pick([f for f in range(1, total + 1) if total % f == 0])
    return reshape(b, v, (*v.shape[:first], Dim(total // part), Dim(part)))


def slice_axis(b: Builder, v: Value) -> Value:
    """Any start, end and step, counted from either side."""
    axis = static_axis(b, v)
    if axis is None:
        return v
    size = v.size(axis)
    step = b.draw.pick([1, 1, 2, 3, -1, -2])
    start, end = sorted((b.draw.integer(0, size - 1), b.draw.integer(1, size)))
    if start == end:
        start, end = 0, size
    if step < 0:
        start, end = end - 1, start - 1
    count = len(range(start, end, step))
    if b.draw.chance(40):
        start -= size
    end = -(2**31) if end < 0 else b.draw.pick([end, end - size if end < size else 2**31])
    names = [b.constant([n]) for n in (start, end, b.draw.pick([axis, axis - v.rank]), step)]
    return b.op("Slice", [v, *(names[:3] if step == 1 and b.draw.chance(50) else names)], _with(v, axis, count))


def gather(b: Builder, v: Value) -> Value:
    """By a constant: a permutation, a subset, repeats, or a table of indices."""
    axis = static_axis(b, v)
    if axis is None:
        return v
    size = v.size(axis)
    kind = b.draw.integer(0, 3)
    if kind == 0:
        index = np.arange(size)[::-1]
    elif kind == 3 and v.rank < 5:
        index = np.array([[b.draw.integer(0, size - 1) for _ in range(2)] for _ in range(2)])
    else:
        index = np.array([b.draw.integer(-size, size - 1) for _ in range(b.draw.integer(1, size))])
    shape = (*v.shape[:axis], *map(Dim, index.shape), *v.shape[axis + 1 :])
    return b.op("Gather", [v, b.constant(index)], shape, axis=axis)


def split_join(b: Builder, v: Value) -> Value:
    """Cut into runs and joined in another order."""
    axis = static_axis(b, v)
    if axis is None:
        return v
    size = v.size(axis)
    cut = b.draw.pick([size // 2, *range(1, size)])
    parts = b.split(v, axis, [cut, size - cut])
    return b.concat(parts[::-1] if b.draw.chance(70) else [*parts, parts[0]], axis)


def fold_halves(b: Builder, v: Value) -> Value:
    """The two halves of an axis added or multiplied."""
    axis = static_axis(b, v)
    if axis is None or v.size(axis) % 2:
        return v
    one, two = b.split(v, axis, [v.size(axis) // 2] * 2)
    return b.add(one, two, b.draw.pick(["Add", "Mul"]))


def pad(b: Builder, v: Value) -> Value:
    axis = static_axis(b, v, 1)
    if axis is None:
        return v
    mode = b.draw.pick(["constant", "constant", "edge"])
    before, after = b.draw.integer(0, 2), b.draw.integer(0, 2)
    pads = [0] * (2 * v.rank)
    pads[axis], pads[axis + v.rank] = before, after
    value = [b.constant(0.5, np.float32)] if mode == "constant" and b.draw.chance(40) else []
    inputs: list[Value | str] = [v, b.constant(pads), *value]
    if b.opset >= 18 and b.draw.chance(50):
        inputs = [v, b.constant([before, after]), *(value or [""]), b.constant([axis - v.rank])]
    return b.op("Pad", inputs, _with(v, axis, v.size(axis) + before + after), mode=mode)


def tile(b: Builder, v: Value) -> Value:
    axis = static_axis(b, v, 1)
    if axis is None or product(v.shape).factor > MOST_ELEMENTS // 3:
        return v
    times = b.draw.integer(1, 3)
    repeats = [times if i == axis else 1 for i in range(v.rank)]
    return b.op("Tile", [v, b.constant(repeats)], _with(v, axis, times * v.size(axis)))


def stretch(b: Builder, v: Value) -> Value:
    """A new axis of size 1, stretched."""
    if v.rank > 4 or product(v.shape).factor > MOST_ELEMENTS // 3:
        return v
    axis = b.draw.integer(0, v.rank)
    one = b.unsqueeze(v, axis)
    return expand(b, one, (*v.shape[:axis], Dim(b.draw.integer(1, 3)), *v.shape[axis:]))


def reduce_axis(b: Builder, v: Value) -> Value:
    if v.rank < 3:
        return v
    axis = b.draw.integer(1, v.rank - 1)
    op = b.draw.pick(["ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2", "ReduceMin", "ReduceL1", "ReduceSumSquare"])
    return b.reduce(op, v, [b.draw.pick([axis, axis - v.rank])], keep=b.draw.chance(50))


def softmax(b: Builder, v: Value) -> Value:
    axis = b.draw.integer(0, v.rank - 1) if b.opset >= 13 else v.rank - 1
    return b.unary(b.draw.pick(["Softmax", "LogSoftmax"]), v, axis=axis)


def cumulate(b: Builder, v: Value) -> Value:
    axis = b.draw.integer(0, v.rank - 1)
    return b.op("CumSum", [v, b.constant(axis)], v.shape, reverse=b.draw.integer(0, 1))


def squeeze_all(b: Builder, v: Value) -> Value:
    """An axis of size 1 comes and goes; Squeeze names its axis or not."""
    ones = [i for i, d in enumerate(v.shape) if d == ONE and v.rank > 2]
    if not ones:
        return b.squeeze(b.unary("Relu", b.unsqueeze(v, 1)), 1)
    if all(d.static for d in v.shape[1:]) and not v.shape[0].static and b.draw.chance(30):
        return b.op("Squeeze", [v], tuple(d for d in v.shape if d != ONE))
    return b.squeeze(v, b.draw.pick(ones))


def mix(b: Builder, v: Value) -> Value:
    """A linear layer along any static axis."""
    axis = static_axis(b, v)
    if axis is None or v.rank > 5:
        return v
    order = [i for i in range(v.rank) if i != axis] + [axis]
    moved = v if axis == v.rank - 1 else b.transpose(v, *order)
    return b.linear(moved, b.draw.integer(2, 6))


BLOCKS = (mix, permute, split_axis, merge_axes, slice_axis, gather, split_join, fold_halves, reduce_axis, regroup, pad,
          tile, stretch, squeeze_all, softmax, cumulate)  # fmt: skip
