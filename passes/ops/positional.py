"""Ops that work on positions: samplers, windows, sequences. Channels pass, positions stay."""

from __future__ import annotations

from compressor.passes.labels import fixed
from compressor.passes.op_rules import OP_RULES, AxisLabels, RuleContext
from compressor.passes.split_merge import split


def _pin(ctx: RuleContext, slot: int, axes: range | list[int], why: str) -> None:
    if ctx.has(slot):
        labels = ctx.labels(slot)
        for axis in axes:
            ctx.pin(labels[axis], why)


@OP_RULES.register("GridSample", "MaxUnpool")
def grid_sample(ctx: RuleContext) -> None:
    """X [N, C, ...] is sampled at positions of its own for each of N: C passes."""
    x = ctx.labels(0)
    _pin(ctx, 0, [0, *range(2, len(x))], "positions of this axis are sampled")
    _pin(ctx, 1, range(ctx.rank(1)), "positions to sample at")
    if ctx.node.op == "MaxUnpool":
        _pin(ctx, 0, [0, 1], "positions count through the whole tensor")
    ctx.output([x[0], x[1], *(fixed(size) for size in ctx.out_shape()[2:])])


@OP_RULES.register("RoiAlign", "MaxRoiPool")
def roi(ctx: RuleContext) -> None:
    """X [N, C, H, W] and boxes give [boxes, C, h, w]: C passes."""
    x = ctx.labels(0)
    _pin(ctx, 0, [0, 2, 3], "boxes address this axis")
    for slot in range(1, len(ctx.node.inputs)):
        _pin(ctx, slot, range(ctx.rank(slot)), "boxes")
    out = ctx.out_shape()
    ctx.output([fixed(out[0]), x[1], fixed(out[2]), fixed(out[3])])


@OP_RULES.register("Trilu", "com.microsoft::Trilu")
def trilu(ctx: RuleContext) -> None:
    """A triangle of the last two axes is kept, which therefore stay."""
    x = ctx.labels(0)
    _pin(ctx, 0, [-2, -1], "the triangle counts along this axis")
    ctx.output([*x[:-2], *(fixed(size) for size in ctx.out_shape()[-2:])])


@OP_RULES.register("ReverseSequence")
def reverse_sequence(ctx: RuleContext) -> None:
    """Time and batch stay."""
    x = ctx.labels(0)
    _pin(ctx, 0, [ctx.attr("time_axis", 0), ctx.attr("batch_axis", 1)], "sequences are reversed along this axis")
    ctx.output(x)


@OP_RULES.register("CumProd")
def cumulative_product(ctx: RuleContext) -> None:
    """Pins the axis it runs along."""
    x = ctx.labels(0)
    along = ctx.value(1)
    for axis in range(len(x)) if along is None else [ctx.axis(int(along))]:
        ctx.pin(x[axis], "CumProd runs along this axis")
    ctx.output(x)


@OP_RULES.register("Det")
def determinant(ctx: RuleContext) -> None:
    """The last two axes are one matrix."""
    _pin(ctx, 0, [-2, -1], "a matrix whose determinant is taken")
    ctx.output(ctx.labels(0)[:-2])


@OP_RULES.register("DFT")
def fourier(ctx: RuleContext) -> None:
    """The transformed axis and the real/imaginary axis stay."""
    x = ctx.labels(0)
    along = ctx.value(2)
    if ctx.has(2) and along is None:
        ctx.pin_all("the transformed axis is computed at run time")
        return
    axis = ctx.axis(int(along) if along is not None else ctx.attr("axis", 1 if ctx.opset < 20 else -2))
    _pin(ctx, 0, [axis, -1], "DFT runs over this axis")
    out: AxisLabels = [fixed(size) if i in (axis, len(x) - 1) else x[i] for i, size in enumerate(ctx.out_shape())]
    ctx.output(out)


@OP_RULES.register("CenterCropPad")
def center_crop_pad(ctx: RuleContext) -> None:
    """Axes that keep their size pass; cropped or padded ones stay."""
    x = ctx.labels(0)
    touched = ctx.attr("axes")
    for axis in range(len(x)) if touched is None else [ctx.axis(a) for a in touched]:
        ctx.pin(x[axis], "this axis is cropped or padded")
        x[axis] = fixed(ctx.out_shape()[axis])
    ctx.output(x)


@OP_RULES.register("TensorScatter")
def tensor_scatter(ctx: RuleContext) -> None:
    """A cache updated along its sequence axis; the other axes are shared with the update."""
    cache, update = ctx.labels(0), ctx.labels(1)
    axis = ctx.axis(ctx.attr("axis", -2))
    for i, (own, new) in enumerate(zip(cache, update, strict=True)):
        if i == axis:
            ctx.pin(own, "positions of a cache")
            ctx.pin(new, "positions of a cache")
        else:
            ctx.unify(own, new)
    if ctx.has(2):
        ctx.pin(cache[0], "each of the batch is written at a place of its own")
    ctx.output(cache)


@OP_RULES.register("Col2Im")
def col2im(ctx: RuleContext) -> None:
    """X [N, C * block, L] gives [N, C, ...]: the block becomes space and stays."""
    x = ctx.labels(0)
    channels = ctx.out_shape()[1]
    kept, block = split(ctx.store, x[1], [channels, x[1].size // channels])
    ctx.pin(block, "Col2Im turns this into space")
    ctx.pin(x[2], "Col2Im turns this into space")
    ctx.output([x[0], kept, *(fixed(size) for size in ctx.out_shape()[2:])])


@OP_RULES.register("DeformConv")
def deform_conv(ctx: RuleContext) -> None:
    """X [N, C, H, W], W [O, C/g, k, k], offset, B, mask: as Conv; offset groups keep their channels."""
    x, w = ctx.labels(0), ctx.labels(1)
    group, offsets = ctx.attr("group", 1), ctx.attr("offset_group", 1)
    for slot in (0, 1):
        _pin(ctx, slot, [2, 3], "a convolution slides over this axis")
    _pin(ctx, 0, [0], "each of the batch has offsets of its own")
    for slot in (2, 4):
        if ctx.has(slot):
            _pin(ctx, slot, range(ctx.rank(slot)), "offsets of a deformable convolution")
    if group > 1 or offsets > 1:
        for labels in (x[1], w[0], w[1]):
            ctx.pin(labels, "deformable convolution in groups")
    else:
        ctx.unify(x[1], w[1])
        ctx.contract(1, 1)
    if ctx.has(3):
        ctx.unify(ctx.labels(3)[0], w[0])
    out = ctx.out_shape()
    ctx.macs(out[2] * out[3] * ctx.shape(1)[2] * ctx.shape(1)[3], x[0], w[0], w[1])
    ctx.output([x[0], w[0], fixed(out[2]), fixed(out[3])])


@OP_RULES.register("CausalConvWithState", "com.microsoft::CausalConvWithState")
def causal_conv(ctx: RuleContext) -> None:
    """Depthwise over time: X and state [B, C, T], W [C, 1, k], bias [C]; outputs Y and the new state."""
    x = ctx.labels(0)
    ctx.unify(x[1], ctx.labels(1)[0])
    _pin(ctx, 1, range(1, ctx.rank(1)), "a convolution slides over this axis")
    if ctx.has(2):
        ctx.unify(x[1], ctx.labels(2)[0])
    _pin(ctx, 0, [2], "a convolution slides over this axis")
    if ctx.has(3):
        state = ctx.labels(3)
        ctx.unify(x[0], state[0])
        ctx.unify(x[1], state[1])
        ctx.pin(state[2], "a convolution slides over this axis")
    for slot in range(len(ctx.node.outputs)):
        ctx.output([x[0], x[1], fixed(ctx.out_shape(slot)[2])], slot)
