"""Reductions. Sums are contractions; a mean over channels is soft; the rest pin."""

from __future__ import annotations

from compressor.passes.labels import Labels, fixed
from compressor.passes.op_rules import OP_RULES, RuleContext

SUMS = ("ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare")  # zero adds nothing
OTHERS = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceLogSum", "ReduceLogSumExp")


@OP_RULES.register(*SUMS, *OTHERS)
def reduction(ctx: RuleContext) -> None:
    """Reduced axes are dropped or become size 1."""
    x = ctx.labels(0)
    axes = ctx.axes()
    if axes is None and ctx.has(1):
        ctx.pin_all("the reduced axes are computed at run time")
        return
    if not axes:  # absent and empty both mean all axes, unless declared a no-op
        axes = [] if ctx.attr("noop_with_empty_axes", 0) else list(range(len(x)))
    over = {ctx.axis(axis) for axis in axes}
    for axis in over:
        if ctx.node.op in SUMS:
            ctx.contract(0, axis)
        elif ctx.node.op == "ReduceMean":
            ctx.soft(0, axis)
        else:
            ctx.pin(x[axis], f"{ctx.node.op} runs over this axis")
    keep = ctx.attr("keepdims", 1)
    out: list[Labels] = [fixed(1) if i in over else labels for i, labels in enumerate(x) if keep or i not in over]
    ctx.output(out)


@OP_RULES.register("ArgMax", "ArgMin")
def arg_extreme(ctx: RuleContext) -> None:
    """Positions along the axis are the result, so the axis stays."""
    x = ctx.labels(0)
    axis = ctx.axis(ctx.attr("axis", 0))
    ctx.pin(x[axis], f"{ctx.node.op} returns positions along this axis")
    ctx.output(
        [fixed(1) if i == axis else labels for i, labels in enumerate(x) if ctx.attr("keepdims", 1) or i != axis]
    )


@OP_RULES.register("TopK")
def top_k(ctx: RuleContext) -> None:
    """Pins the axis it sorts."""
    x = ctx.labels(0)
    axis = ctx.axis(ctx.attr("axis", -1))
    ctx.pin(x[axis], "TopK sorts this axis")
    x[axis] = fixed(ctx.out_shape()[axis])
    ctx.output(x)
    ctx.output(list(x), 1)


@OP_RULES.register("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "AveragePool", "MaxPool", "LpPool")
def pool(ctx: RuleContext) -> None:
    """Spatial axes stay; batch and channel pass through."""
    x = ctx.labels(0)
    for labels in x[2:]:
        ctx.pin(labels, "a pool slides over this axis")
    out = [x[0], x[1], *(fixed(size) for size in ctx.out_shape()[2:])]
    ctx.output(out)
    if any(tensor.name for tensor in ctx.node.outputs[1:]):  # MaxPool's flat indices count channels
        for labels in x:
            ctx.pin(labels, "MaxPool returns positions in the whole tensor")
        ctx.output(list(out), 1)
