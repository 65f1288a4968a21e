"""Ops that change shape without touching values, and those that read or make shapes."""

from __future__ import annotations

from collections.abc import Sequence

from compressor.passes.labels import Labels, fixed, is_fixed
from compressor.passes.op_rules import OP_RULES, AxisLabels, RuleContext
from compressor.passes.reshape_run import Piece, Run, may_straddle
from compressor.passes.rewrite_rules import REWRITES, RewriteContext
from compressor.passes.split_merge import merge, reshape_runs, split, splits_exactly


@OP_RULES.register("Transpose")
def transpose(ctx: RuleContext) -> None:
    """Labels move with their axes."""
    x = ctx.labels(0)
    ctx.output([x[axis] for axis in ctx.attr("perm", range(len(x))[::-1])])


@OP_RULES.register("Squeeze")
def squeeze(ctx: RuleContext) -> None:
    """Axes of size 1 go."""
    x = ctx.labels(0)
    axes = ctx.axes()
    if axes is None:
        axes = [i for i, labels in enumerate(x) if labels.size == 1]
    gone = {ctx.axis(axis) for axis in axes}
    ctx.output([labels for i, labels in enumerate(x) if i not in gone])


@OP_RULES.register("Unsqueeze")
def unsqueeze(ctx: RuleContext) -> None:
    """Axes of size 1 come; ``axes`` count in the result."""
    x = ctx.labels(0)
    axes = ctx.axes() or []
    rank = len(x) + len(axes)
    new = {axis % rank for axis in axes}
    rest = iter(x)
    ctx.output([fixed(1) if i in new else next(rest) for i in range(rank)])


@OP_RULES.register("Reshape", "Flatten")
def reshape(ctx: RuleContext) -> None:
    """Runs of equal product: merged axes pair up, split axes take pairs apart."""
    before, after = ctx.shapes_at_both(ctx.node.inputs[0]), ctx.shapes_at_both(ctx.node.outputs[0])
    cuts = reshape_runs(before[0], after[0]) & reshape_runs(before[1], after[1])
    x = ctx.labels(0)
    out: AxisLabels = []
    i = j = 0
    for next_i, next_j in sorted(cuts):
        if next_j < j:
            continue
        run = Run((before[0][i:next_i], before[1][i:next_i]), (after[0][j:next_j], after[1][j:next_j]))
        out += _run(ctx, x[i:next_i], run)
        i, j = next_i, next_j
    ctx.output(out)


def _run(ctx: RuleContext, axes: AxisLabels, run: Run) -> AxisLabels:
    sizes = run.after[0]
    if run.before == run.after:
        return axes
    if all(is_fixed(labels) for labels in axes):
        return [fixed(size) for size in sizes]
    finest = run.finest()
    if finest is None or not all(_lines_up(ctx, labels, parts) for labels, parts in zip(axes, finest, strict=True)):
        for labels in axes:
            ctx.pin(labels, "the reshape cuts across channels")
        return [fixed(size) for size in sizes]
    pieces: AxisLabels = []
    for labels, parts in zip(axes, finest, strict=True):
        pieces += split(ctx.store, labels, [size for size, _ in parts]) if parts else []
    out = []
    for size in sizes:
        taken = [pieces.pop(0) for _ in _take_front(pieces, size)]
        out.append(merge(ctx.store, taken) if taken else fixed(1))
    return out


def _lines_up(ctx: RuleContext, labels: Labels, parts: Sequence[Piece]) -> bool:
    """Whether an axis comes apart in the same way at every size of the dynamic dimensions."""
    if all(one == two for one, two in parts):
        return True
    if not ctx.store.resolve(labels).any():
        return not may_straddle(parts)
    return splits_exactly(ctx.store, labels, [size for size, _ in parts])


def _take_front(pieces: AxisLabels, size: int) -> range:
    count, product = 0, 1
    while product < size:
        product *= pieces[count].size
        count += 1
    return range(count)


@OP_RULES.register("Expand")
def expand(ctx: RuleContext) -> None:
    """Axes stretched from 1 to a static size hold copies, so any of them may go: fresh atoms."""
    x = ctx.labels(0)
    sizes = ctx.out_shape()
    x = [fixed(1)] * (len(sizes) - len(x)) + x
    ctx.output([_stretched(ctx, axis) if labels.size != sizes[axis] else labels for axis, labels in enumerate(x)])


def _stretched(ctx: RuleContext, axis: int) -> Labels:
    size = ctx.out_shape()[axis]
    return fixed(size) if size == 1 or ctx.dynamic_out(axis) else ctx.store.fresh(size)


@OP_RULES.register("ConstantOfShape")
def constant_of_shape(ctx: RuleContext) -> None:
    """All elements are equal, so any index of a static axis may go."""
    ctx.output([_stretched(ctx, axis) for axis in range(len(ctx.out_shape()))])


@OP_RULES.register("Tile")
def tile(ctx: RuleContext) -> None:
    """Copies of an axis repeat its labels; copies of a size-1 axis are fresh."""
    x = ctx.labels(0)
    repeats = ctx.value(1)
    out: AxisLabels = []
    for axis, labels in enumerate(x):
        size = ctx.out_shape()[axis]
        if labels.size == 1 and repeats is not None:  # which the rewrite writes anew
            out.append(_stretched(ctx, axis))
        elif is_fixed(labels):
            out.append(fixed(size))
        elif ctx.dynamic_out(axis):
            ctx.pin(labels, "the number of copies is computed at run time")
            out.append(fixed(size))
        else:
            out.append(merge(ctx.store, [fixed(size // labels.size), labels]))
    ctx.output(out)


@OP_RULES.register("Shape", "Size", "Range")
def shape_data(ctx: RuleContext) -> None:
    """The result is data about positions: FIXED. What Shape reads is put right at rewrite."""
    ctx.output_fixed()


@OP_RULES.register("DepthToSpace")
def depth_to_space(ctx: RuleContext) -> None:
    """Channels as (block, block, C') or (C', block, block): the blocks become space and stay."""
    x = ctx.labels(0)
    block = ctx.attr("blocksize")
    depth = x[1].size // (block * block)
    if ctx.attr("mode", "DCR") == "DCR":
        *blocks, kept = split(ctx.store, x[1], [block, block, depth])
    else:
        kept, *blocks = split(ctx.store, x[1], [depth, block, block])
    for labels in [*blocks, *x[2:]]:
        ctx.pin(labels, "DepthToSpace turns this into space")
    ctx.output([x[0], kept, *(fixed(size) for size in ctx.out_shape()[2:])])


@OP_RULES.register("SpaceToDepth")
def space_to_depth(ctx: RuleContext) -> None:
    """Result channels are (block, block, C)."""
    x = ctx.labels(0)
    for labels in x[2:]:
        ctx.pin(labels, "SpaceToDepth turns this axis into channels")
    channels = merge(ctx.store, [fixed(ctx.attr("blocksize") ** 2), x[1]])
    ctx.output([x[0], channels, *(fixed(size) for size in ctx.out_shape()[2:])])


@REWRITES.register("Squeeze")
def rewrite_squeeze(ctx: RewriteContext) -> None:
    """Axes left out mean "all of size 1", which an axis cut down to one index must not join."""
    if ctx.input_changed(0) and not ctx.has(1) and ctx.attr("axes") is None:
        ones = [axis for axis, size in enumerate(ctx.old_shape(0)) if size == 1]
        if ctx.opset >= 13:
            ctx.set_input(1, ones)
        else:
            ctx.set_attr("axes", ones)


@REWRITES.register("Reshape")
def rewrite_reshape(ctx: RewriteContext) -> None:
    """The target gets the kept sizes; dynamic dimensions stay computed, copied (0) or inferred (-1)."""
    if ctx.out_changed(0) or ctx.input_changed(0):
        ctx.set_target_shape(1, copy_marker=None if ctx.attr("allowzero", 0) else 0, infer_marker=-1)


@REWRITES.register("Expand")
def rewrite_expand(ctx: RewriteContext) -> None:
    """The target gets the kept sizes; 1 leaves a dimension as the input has it."""
    if ctx.out_changed(0):
        ctx.set_target_shape(1, copy_marker=1, infer_marker=None)


@REWRITES.register("ConstantOfShape")
def rewrite_constant_of_shape(ctx: RewriteContext) -> None:
    """The target gets the kept sizes."""
    if ctx.out_changed(0):
        ctx.set_target_shape(0, copy_marker=None, infer_marker=None)


@REWRITES.register("Tile")
def rewrite_tile(ctx: RewriteContext) -> None:
    """Only copies of a size-1 axis change in number."""
    old, new = ctx.old_shape(0), ctx.new_out_shape(0)
    repeats = ctx.value(1)
    if repeats is None or not ctx.out_changed(0):
        return
    ctx.set_input(1, [new[i] if old[i] == 1 else int(repeats[i]) for i in range(len(old))])


@REWRITES.register("Shape")
def rewrite_shape(ctx: RewriteContext) -> None:
    """Downstream arithmetic goes on in the original sizes; each consumer translates."""
    if ctx.input_changed(0):
        ctx.freeze_output_value()


@REWRITES.register("Size")
def rewrite_size(ctx: RewriteContext) -> None:
    """As Shape."""
    if ctx.input_changed(0):
        ctx.freeze_output_value()
