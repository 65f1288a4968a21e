"""Element-wise ops with broadcasting: aligned axes of equal size are one axis."""

from __future__ import annotations

from compressor.passes.labels import Labels, fixed, is_fixed
from compressor.passes.op_rules import OP_RULES, AxisLabels, RuleContext

UNARY = (
    "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitCast", "BitwiseNot", "Cast", "Ceil", "Celu", "Cos",
    "Cosh", "Dropout", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN",
    "LeakyRelu", "Log", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign",
    "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu",
)  # fmt: skip
BROADCAST = (
    "Add", "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "CastLike", "Clip", "Div", "Equal", "Greater",
    "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Mean", "Min", "Mod", "Mul", "Or", "PRelu", "Pow", "Sub", "Sum",
    "SwiGLU", "Where", "Xor",
)  # fmt: skip


def broadcast(ctx: RuleContext, operands: list[AxisLabels]) -> AxisLabels:
    """Labels of the broadcast result; aligned axes longer than 1 are unified."""
    rank = max((len(axes) for axes in operands), default=0)
    result: list[Labels] = [fixed(1)] * rank
    for axes in operands:
        for position, labels in enumerate(axes, start=rank - len(axes)):
            have = result[position]
            if have.size == 1:
                result[position] = labels
            elif labels.size == have.size:
                ctx.unify(have, labels)
                if is_fixed(have):  # the written label of the other side traces the cause better
                    result[position] = labels
    return result


@OP_RULES.register(*UNARY)
def unary(ctx: RuleContext) -> None:
    """Y has X's labels."""
    for slot in range(len(ctx.node.outputs)):
        ctx.output(ctx.labels(0), slot)


@OP_RULES.register(*BROADCAST)
def nary(ctx: RuleContext) -> None:
    """Every operand's aligned axes are one axis; a size-1 axis takes no label."""
    # CastLike's second operand only lends its type.
    slots = [0] if ctx.node.op == "CastLike" else [s for s in range(len(ctx.node.inputs)) if ctx.has(s)]
    ctx.output(broadcast(ctx, [ctx.labels(slot) for slot in slots]))
