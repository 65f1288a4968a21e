"""Normalisations: scale and bias join the channel axis; normalised axes are soft."""

from __future__ import annotations

from compressor.passes.op_rules import OP_RULES, RuleContext
from compressor.passes.rewrite_rules import REWRITES, RewriteContext
from compressor.passes.split_merge import split


@OP_RULES.register("BatchNormalization")
def batch_norm(ctx: RuleContext) -> None:
    """Scale, bias, mean and variance are per channel (axis 1); a 1-D input is one channel."""
    x = ctx.labels(0)
    if len(x) > 1:
        for slot in range(1, 5):
            ctx.unify(ctx.labels(slot)[0], x[1])
    ctx.output(x)
    for slot in range(1, len(ctx.node.outputs)):
        ctx.output(ctx.labels(1), slot)


@OP_RULES.register("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization")
def layer_norm(ctx: RuleContext) -> None:
    """Normalised over ``axis`` and all after it; scale and bias align from the right."""
    x = ctx.labels(0)
    first = ctx.axis(ctx.attr("axis", -1))
    for slot in (1, 2):
        if ctx.has(slot):
            for axis, labels in enumerate(ctx.labels(slot)):
                own = x[len(x) - ctx.rank(slot) + axis]
                if labels.size == own.size:
                    ctx.unify(labels, own)
                    ctx.soft(slot, axis)
    for axis in range(first, len(x)):
        ctx.soft(0, axis)
    ctx.output(x)
    for slot in range(1, len(ctx.node.outputs)):
        ctx.output([*x[:first], *(labels[:1] * 0 for labels in x[first:])], slot)


@OP_RULES.register("InstanceNormalization")
def instance_norm(ctx: RuleContext) -> None:
    """Per channel (axis 1) over all axes after it."""
    x = ctx.labels(0)
    for slot in (1, 2):
        ctx.unify(ctx.labels(slot)[0], x[1])
    for axis in range(2, len(x)):
        ctx.soft(0, axis)
    ctx.output(x)


@OP_RULES.register("GroupNormalization")
def group_norm(ctx: RuleContext) -> None:
    """Channels as (group, position): groups may go; positions are normalised together."""
    x = ctx.labels(0)
    groups = ctx.attr("num_groups")
    group, within = split(ctx.store, x[1], [groups, x[1].size // groups])
    for slot in (1, 2):
        scale = ctx.labels(slot)[0]
        ctx.unify(scale, x[1] if scale.size == x[1].size else group)
    ctx.pin(within, "the channels of a group are normalised together")
    for axis in range(2, len(x)):
        ctx.pin(x[axis], "this axis is normalised over")
    ctx.output(x)


@REWRITES.register("GroupNormalization")
def rewrite_group_norm(ctx: RewriteContext) -> None:
    """``num_groups`` is what is left of the groups."""
    kept, total = ctx.new_shape(0)[1], ctx.old_shape(0)[1]
    ctx.set_attr("num_groups", ctx.attr("num_groups") * kept // total)


@OP_RULES.register("LpNormalization", "MeanVarianceNormalization")
def normalise_over(ctx: RuleContext) -> None:
    """Normalised over the axes named."""
    x = ctx.labels(0)
    default = [0, 2, 3] if ctx.node.op == "MeanVarianceNormalization" else [-1]
    axes = ctx.attr("axes", default) if ctx.node.op == "MeanVarianceNormalization" else [ctx.attr("axis", -1)]
    for axis in axes:
        ctx.pin(x[ctx.axis(axis)], "this axis is normalised over")
    ctx.output(x)


@OP_RULES.register("Softmax", "LogSoftmax", "Hardmax")
def softmax(ctx: RuleContext) -> None:
    """Pins its axis; before opset 13 the input was flattened from ``axis`` on."""
    x = ctx.labels(0)
    first = ctx.axis(ctx.attr("axis", -1 if ctx.opset >= 13 else 1))
    last = first + 1 if ctx.opset >= 13 else len(x)
    for axis in range(first, last):
        ctx.pin(x[axis], f"{ctx.node.op} runs over this axis")
    ctx.output(x)


@OP_RULES.register("LRN")
def local_response(ctx: RuleContext) -> None:
    """Neighbouring channels take part, so channels stay."""
    x = ctx.labels(0)
    ctx.pin(x[1], "LRN sums neighbouring channels")
    ctx.output(x)


@OP_RULES.register("CumSum")
def cumulative(ctx: RuleContext) -> None:
    """Pins the axis it runs along."""
    x = ctx.labels(0)
    along = ctx.value(1)
    for axis in range(len(x)) if along is None else [ctx.axis(int(along))]:
        ctx.pin(x[axis], f"{ctx.node.op} runs along this axis")
    ctx.output(x)
