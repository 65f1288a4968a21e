"""com.microsoft's quantised ops: as the float ones, with a scale and a zero point per tensor beside each.

Source: ONNX Runtime's ContribOperators.md. The points are one number a tensor, so nothing follows them.
"""

from __future__ import annotations

from compressor.passes.labels import fixed
from compressor.passes.op_rules import OP_RULES, RuleContext
from compressor.passes.ops.elementwise import broadcast
from compressor.passes.ops.indexing import join

_MS = "com.microsoft::"


@OP_RULES.register(_MS + "QLinearAdd", _MS + "QLinearMul")
def quantized_pair(ctx: RuleContext) -> None:
    """A, its scale and zero point, then the same of B; A and B broadcast."""
    ctx.output(broadcast(ctx, [ctx.labels(0), ctx.labels(3)]))


@OP_RULES.register(_MS + "QLinearWhere")
def quantized_where(ctx: RuleContext) -> None:
    """Condition, then X and Y with their scales and zero points; all three broadcast."""
    ctx.output(broadcast(ctx, [ctx.labels(0), ctx.labels(1), ctx.labels(4)]))


@OP_RULES.register(_MS + "QLinearSigmoid", _MS + "QLinearLeakyRelu")
def quantized_unary(ctx: RuleContext) -> None:
    """Y has X's labels."""
    ctx.output(ctx.labels(0))


@OP_RULES.register(_MS + "QLinearConcat")
def quantized_concat(ctx: RuleContext) -> None:
    """The result's scale and zero point, then each tensor with its own."""
    join(ctx, range(2, len(ctx.node.inputs), 3))


@OP_RULES.register(_MS + "QLinearAveragePool", _MS + "QLinearGlobalAveragePool")
def quantized_pool(ctx: RuleContext) -> None:
    """Spatial axes stay; batch and channel, which may come last, pass through."""
    x = ctx.labels(0)
    out = [fixed(size) for size in ctx.out_shape()]
    channel = len(x) - 1 if ctx.attr("channels_last", 0) else 1
    for axis, labels in enumerate(x):
        if axis in (0, channel):
            out[axis] = labels
        else:
            ctx.pin(labels, "a pool slides over this axis")
    ctx.output(out)


@OP_RULES.register(_MS + "QLinearSoftmax")
def quantized_softmax(ctx: RuleContext) -> None:
    """Pins its axis; before opset 13 (an attribute here) the input was flattened from ``axis`` on."""
    x = ctx.labels(0)
    first = ctx.axis(ctx.attr("axis", -1))
    for labels in x[first : first + 1] if ctx.attr("opset") >= 13 else x[first:]:
        ctx.pin(labels, "a softmax runs over this axis")
    ctx.output(x)
