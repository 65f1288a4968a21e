"""Ops that pick, join or pad indices: the same indexing on the label arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compressor.passes.labels import Labels, fixed, is_fixed
from compressor.passes.op_rules import OP_RULES, RuleContext
from compressor.passes.rewrite_rules import REWRITES, RewriteContext
from compressor.passes.shape_values import Array, slice_of
from compressor.passes.split_merge import split


def _pin_dynamic(ctx: RuleContext, slot: int, axis: int) -> None:
    """Rows of an axis whose length the input sizes decide cannot be told apart once and for all."""
    one, two = ctx.shapes_at_both(ctx.node.inputs[slot])
    if one[axis] != two[axis]:
        ctx.pin(ctx.labels(slot)[axis], "rows of an axis of variable length are picked")


@OP_RULES.register("Concat")
def concat(ctx: RuleContext) -> None:
    """Labels are joined along the axis; the other axes are one axis each."""
    join(ctx, range(len(ctx.node.inputs)))


def join(ctx: RuleContext, slots: Sequence[int]) -> None:
    """The output is the inputs ``slots``, one after the other along attribute ``axis``."""
    operands = [ctx.labels(slot) for slot in slots]
    axis = ctx.axis(ctx.attr("axis"), slots[0])
    for slot in slots:
        _pin_dynamic(ctx, slot, axis)
    out = list(operands[0])
    for other in operands[1:]:
        for i, labels in enumerate(other):
            if i != axis:
                ctx.unify(out[i], labels)
                out[i] = labels if is_fixed(out[i]) else out[i]
    parts = [labels[axis] for labels in operands]
    total = sum(part.size for part in parts)
    out[axis] = fixed(total) if all(map(is_fixed, parts)) else np.concatenate(parts)
    ctx.output(out)


@OP_RULES.register("Split")
def split_op(ctx: RuleContext) -> None:
    """Each output takes its run of labels."""
    x = ctx.labels(0)
    axis = ctx.axis(ctx.attr("axis", 0))
    _pin_dynamic(ctx, 0, axis)
    start = 0
    for slot in range(len(ctx.node.outputs)):
        size = ctx.out_shape(slot)[axis]
        ctx.output([*x[:axis], x[axis][start : start + size], *x[axis + 1 :]], slot)
        start += size


@REWRITES.register("Split")
def rewrite_split(ctx: RewriteContext) -> None:
    """Sizes are counted anew; an equal split becomes an explicit one."""
    axis = ctx.attr("axis", 0) % len(ctx.old_shape(0))
    if not ctx.axis_changed(0, axis):
        return
    sizes = [ctx.new_out_shape(slot)[axis] for slot in range(len(ctx.node.outputs))]
    if ctx.opset >= 13:
        ctx.drop_attr("num_outputs")
        ctx.set_input(1, sizes)
    else:
        ctx.set_attr("split", sizes)


def slice_bounds(ctx: RuleContext | RewriteContext) -> dict[int, slice | None]:
    """Python slice by axis; None where the bounds are computed at run time."""
    rank = len(ctx.old_shape(0)) if isinstance(ctx, RewriteContext) else ctx.rank()
    shape = ctx.old_shape(0) if isinstance(ctx, RewriteContext) else ctx.shape(0)
    if "starts" in ctx.node.attrs:
        starts, ends = ctx.attr("starts"), ctx.attr("ends")
        axes, steps = ctx.attr("axes"), None
    else:
        starts, ends = ctx.value(1), ctx.value(2)
        axes, steps = ctx.value(3), ctx.value(4)
        if (ctx.has(3) and axes is None) or (ctx.has(4) and steps is None):
            return dict.fromkeys(range(rank))
    if axes is None:  # the first axes; all of them where not even their number is known
        axes = range(rank) if starts is None else range(len(starts))
    where = [int(a) % rank for a in axes]
    if starts is None or ends is None:
        return dict.fromkeys(where)
    hops = [1] * len(where) if steps is None else [int(s) for s in steps]
    return {
        axis: slice_of(int(start), int(end), step, shape[axis])
        for axis, start, end, step in zip(where, starts, ends, hops, strict=True)
    }


@OP_RULES.register("Slice")
def slice_op(ctx: RuleContext) -> None:
    """NumPy slicing of the labels; an axis sliced at run time stays."""
    x = ctx.labels(0)
    for axis, piece in slice_bounds(ctx).items():
        size = ctx.out_shape()[axis]
        _pin_dynamic(ctx, 0, axis)
        if is_fixed(x[axis]):
            x[axis] = fixed(size)
        elif piece is None:
            ctx.pin(x[axis], "the slice bounds are computed at run time")
            x[axis] = fixed(size)
        else:
            x[axis] = x[axis][piece]
    ctx.output(x)


@REWRITES.register("Slice")
def rewrite_slice(ctx: RewriteContext) -> None:
    """Bounds in the kept indices; what no slice can express is gathered."""
    for axis, piece in slice_bounds(ctx).items():
        keep = ctx.keep(0, axis)
        if keep is None or piece is None:
            continue
        position = np.cumsum(keep) - 1
        picked = np.arange(keep.size)[piece]
        ctx.select(axis, position[picked[keep[picked]]])


@OP_RULES.register("Gather")
def gather(ctx: RuleContext) -> None:
    """By a constant: the same indexing on the labels; otherwise the axis is a table and stays."""
    x, indices = ctx.labels(0), ctx.labels(1)
    axis = ctx.axis(ctx.attr("axis", 0))
    index = ctx.value(1)
    _pin_dynamic(ctx, 0, axis)
    picked: list[Labels]
    if is_fixed(x[axis]):
        picked = indices
    elif index is None:
        ctx.pin(x[axis], "rows of this axis are looked up at run time")
        picked = indices
    elif index.ndim == 0:
        ctx.pin(x[axis][index.reshape(1)], "this index is picked by itself")
        picked = []
    else:
        picked = split(ctx.store, x[axis][index.ravel()], index.shape)
    ctx.output([*x[:axis], *picked, *x[axis + 1 :]])


@REWRITES.register("Gather")
def rewrite_gather(ctx: RewriteContext) -> None:
    """Constant indices are renumbered; those of removed rows go."""
    axis = ctx.attr("axis", 0) % len(ctx.old_shape(0))
    index = ctx.value(1)
    keep = ctx.keep(0, axis)
    if index is None or keep is None:  # an index may be negative, and mean another row at another size
        return
    for i in range(index.ndim):
        kept = ctx.keep_out(0, axis + i)
        if kept is not None:
            index = np.compress(kept, index, axis=i)
    ctx.set_input(1, np.asarray((np.cumsum(keep) - 1)[index], index.dtype))


@OP_RULES.register("Pad")
def pad(ctx: RuleContext) -> None:
    """A constant around an axis of channels: indices of its own, each of which may go. Elsewhere it adds FIXED ones."""
    x, pads = ctx.labels(0), _pads(ctx)
    axes = [ctx.axis(axis) for axis in (ctx.axes(3, "") or range(len(x)))]
    for position, axis in enumerate(axes):
        size = ctx.out_shape()[axis]
        if is_fixed(x[axis]):
            x[axis] = fixed(size)
            continue
        _pin_dynamic(ctx, 0, axis)
        before, after = (0, 0) if pads is None else (int(pads[position]), int(pads[position + len(axes)]))
        if (before, after) == (0, 0) and size == x[axis].size:
            continue
        if pads is None or before < 0 or after < 0 or ctx.attr("mode", "constant") != "constant":
            ctx.pin(x[axis], "padding that copies, wraps, crops or is computed at run time")
            x[axis] = fixed(size)
        else:
            x[axis] = np.concatenate([ctx.store.fresh(before), x[axis], ctx.store.fresh(after)])
    ctx.output(x)


def _pads(ctx: RuleContext | RewriteContext) -> Array | None:
    """Attribute "pads", or input 1 where that is known: what is added before each axis, then after each."""
    return ctx.value(1) if ctx.attr("pads") is None else np.asarray(ctx.attr("pads"))


@REWRITES.register("Pad")
def rewrite_pad(ctx: RewriteContext) -> None:
    """What is added becomes less by what goes of it."""
    pads = _pads(ctx)
    if pads is None:
        return
    rank, given = len(ctx.old_shape(0)), ctx.value(3)
    axes = [int(axis) % rank for axis in (range(rank) if given is None else given.reshape(-1))]
    kept = pads.astype(np.int64)
    for position, axis in enumerate(axes):
        mask = ctx.keep_out(0, axis)
        before, after = position, position + len(axes)
        if mask is not None:
            kept[[before, after]] = mask[: pads[before]].sum(), mask[mask.size - pads[after] :].sum()
    if (kept == pads).all():
        return
    if ctx.attr("pads") is None:
        ctx.set_input(1, kept)
    else:
        ctx.set_attr("pads", [int(n) for n in kept])


@OP_RULES.register("Resize", "Upsample")
def resize(ctx: RuleContext) -> None:
    """Axes that keep their size pass; resampled axes stay."""
    x = ctx.labels(0)
    for axis, size in enumerate(ctx.out_shape()):
        if size != x[axis].size or ctx.dynamic_out(axis):
            ctx.pin(x[axis], "this axis is resampled")
            x[axis] = fixed(size)
    ctx.output(x)


@REWRITES.register("Resize")
def rewrite_resize(ctx: RewriteContext) -> None:
    """Explicit sizes get the kept channel counts."""
    if ctx.has(3) and ctx.out_changed(0):
        ctx.set_target_shape(3, copy_marker=None, infer_marker=None, axes=ctx.attr("axes"))


def _pin_indexed(ctx: RuleContext, data: int, axes: range) -> list[Labels]:
    x = ctx.labels(data)
    for axis in axes:
        ctx.pin(x[axis], f"{ctx.node.op} addresses this axis at run time")
    return x


@OP_RULES.register("GatherND")
def gather_nd(ctx: RuleContext) -> None:
    """Axes addressed by the index tuples stay; those after them pass."""
    batch = ctx.attr("batch_dims", 0)
    depth = ctx.shape(1)[-1]
    x = _pin_indexed(ctx, 0, range(batch + depth))
    lead = [fixed(size) for size in ctx.shape(1)[:-1]]
    ctx.output([*lead, *x[batch + depth :]])


@OP_RULES.register("ScatterND")
def scatter_nd(ctx: RuleContext) -> None:
    """Axes addressed by the index tuples stay; trailing axes are shared with the updates."""
    depth = ctx.shape(1)[-1]
    x = _pin_indexed(ctx, 0, range(depth))
    updates = ctx.labels(2)
    lead = ctx.rank(1) - 1
    for labels in updates[:lead]:
        ctx.pin(labels, "ScatterND places these rows at run time")
    for own, theirs in zip(x[depth:], updates[lead:], strict=True):
        ctx.unify(own, theirs)
    ctx.output(x)
