"""Quantised ops: scales and zero points per channel follow their axis."""

from __future__ import annotations

from collections.abc import Sequence

from compressor.passes.labels import Labels, fixed
from compressor.passes.op_rules import OP_RULES, RuleContext
from compressor.passes.ops.conv import rewrite_conv, tie_conv
from compressor.passes.ops.elementwise import broadcast
from compressor.passes.rewrite_rules import REWRITES


def _follow(ctx: RuleContext, slots: Sequence[int], axis: Labels) -> None:
    """Scales or zero points of one number per index of ``axis`` (a scalar follows nothing)."""
    for slot in slots:
        if ctx.has(slot) and ctx.rank(slot) == 1 and ctx.shape(slot)[0] == axis.size:
            ctx.unify(ctx.labels(slot)[0], axis)


@OP_RULES.register("QuantizeLinear", "DequantizeLinear")
def quantize(ctx: RuleContext) -> None:
    """Per tensor, per axis or per block (blocks pin their axis)."""
    x = ctx.labels(0)
    if ctx.rank(1) == 1 and ctx.shape(1)[0] > 1:
        _follow(ctx, (1, 2), x[ctx.axis(ctx.attr("axis", 1))])
    elif ctx.rank(1) > 1:
        for slot in (1, 2):
            if ctx.has(slot):
                for own, theirs in zip(x, ctx.labels(slot), strict=True):
                    if own.size == theirs.size:
                        ctx.unify(own, theirs)
                    else:
                        ctx.pin(own, "blocks of this axis share a scale")
                        ctx.pin(theirs, "blocks of this axis share a scale")
    ctx.output(x)


@OP_RULES.register("DynamicQuantizeLinear")
def dynamic_quantize(ctx: RuleContext) -> None:
    """The scale is taken over the whole tensor, so every index has its say."""
    for labels in ctx.labels(0):
        ctx.pin(labels, "the scale is taken over all values")
    ctx.output_fixed()


@OP_RULES.register("QLinearConv")
def qlinear_conv(ctx: RuleContext) -> None:
    """x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias."""
    w = ctx.labels(3)
    _follow(ctx, (4, 5), w[0])
    tie_conv(ctx, data=0, weight=3, bias=8, zero=5)


@OP_RULES.register("ConvInteger")
def conv_integer(ctx: RuleContext) -> None:
    """x, w, x_zero, w_zero."""
    _follow(ctx, [3], ctx.labels(1)[0])
    tie_conv(ctx, data=0, weight=1, bias=None, zero=3)


REWRITES.register("QLinearConv")(rewrite_conv)
REWRITES.register("ConvInteger")(rewrite_conv)


def _matmul(ctx: RuleContext, a_slot: int, b_slot: int, rows: Sequence[int], columns: Sequence[int]) -> None:
    """``rows``: scales and zero points of a, [M] or [..., M, 1]; ``columns``: of b, [N] or [..., 1, N], zero last."""
    a, b = ctx.labels(a_slot), ctx.labels(b_slot)
    for slot in filter(ctx.has, rows):
        one_each = ctx.labels(slot)
        broadcast(ctx, [a, [*one_each, fixed(1)] if len(one_each) == 1 else one_each])
    for slot in filter(ctx.has, columns):
        broadcast(ctx, [b, ctx.labels(slot)])
    b_axis = max(len(b) - 2, 0)
    ctx.unify(a[-1], b[b_axis])
    ctx.contract(b_slot, b_axis, zero=columns[-1])
    out = [*broadcast(ctx, [a[:-2], b[:-2]]), *a[:-1][-1:], *b[b_axis + 1 :]]
    ctx.macs(1, *out, a[-1])
    ctx.output(out)


@OP_RULES.register("QLinearMatMul")
def qlinear_matmul(ctx: RuleContext) -> None:
    """a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero; per row of a, per column of b."""
    _matmul(ctx, 0, 3, rows=(1, 2), columns=(4, 5))


@OP_RULES.register("MatMulInteger")
def matmul_integer(ctx: RuleContext) -> None:
    """a, b, a_zero, b_zero; per row of a, per column of b."""
    _matmul(ctx, 0, 1, rows=(2,), columns=(3,))
