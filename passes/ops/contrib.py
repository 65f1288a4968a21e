"""com.microsoft ops that optimised files contain (ONNX Runtime's ContribOperators.md), but for attention."""

from __future__ import annotations

from compressor.passes.heads import Heads
from compressor.passes.labels import fixed
from compressor.passes.op_rules import OP_RULES, RuleContext
from compressor.passes.ops.attention import rewrite_rotary, tie_rotary
from compressor.passes.ops.conv import rewrite_conv, tie_conv
from compressor.passes.ops.elementwise import broadcast
from compressor.passes.ops.matmul import gemm
from compressor.passes.rewrite_rules import REWRITES, RewriteContext
from compressor.passes.split_merge import split

_MS = "com.microsoft::"


@OP_RULES.register(*(_MS + op for op in ("Gelu", "FastGelu", "BiasGelu", "QuickGelu", "BiasAdd")))
def biased(ctx: RuleContext) -> None:
    """Element-wise, with an optional bias."""
    ctx.output(broadcast(ctx, [ctx.labels(slot) for slot in range(len(ctx.node.inputs)) if ctx.has(slot)]))


@OP_RULES.register(_MS + "FusedConv")
def fused_conv(ctx: RuleContext) -> None:
    """Conv with an activation and an optional addend Z (slot 3)."""
    tie_conv(ctx, data=0, weight=1, bias=2)
    if ctx.has(3):
        out = ctx.state.tensors[ctx.node.outputs[0].name]
        ctx.output(broadcast(ctx, [out, ctx.labels(3)]))


OP_RULES.register(_MS + "FusedGemm")(gemm)
REWRITES.register(_MS + "FusedConv")(rewrite_conv)


@OP_RULES.register(_MS + "FusedMatMul", _MS + "TransposeMatMul")
def fused_matmul(ctx: RuleContext) -> None:
    """MatMul whose operands may be transposed in their last two axes."""
    a, b = ctx.labels(0), ctx.labels(1)
    a_rows, a_sum = (-1, -2) if ctx.attr("transA", 0) else (-2, -1)
    b_sum, b_columns = (-1, -2) if ctx.attr("transB", 0) else (-2, -1)
    ctx.unify(a[a_sum], b[b_sum])
    ctx.contract(0, len(a) + a_sum)
    ctx.contract(1, len(b) + b_sum)
    out = [*broadcast(ctx, [a[:-2], b[:-2]]), a[a_rows], b[b_columns]]
    ctx.macs(1, *out, a[a_sum])
    ctx.output(out)


@OP_RULES.register(_MS + "SkipLayerNormalization", _MS + "SkipSimplifiedLayerNormalization")
def skip_norm(ctx: RuleContext) -> None:
    """norm(x + skip + bias): x, skip, gamma, then beta (not when simplified), bias; output 3 is the sum."""
    x = ctx.labels(0)
    total = broadcast(ctx, [x, ctx.labels(1)])
    for slot in range(2, len(ctx.node.inputs)):
        if ctx.has(slot):
            ctx.unify(ctx.labels(slot)[0], total[-1])
    ctx.pin(total[-1], "a fused normalisation runs over this axis")
    ctx.output(total)
    for slot in (1, 2):
        if ctx.gives(slot):
            ctx.output([*total[:-1], fixed(1)], slot)
    ctx.output(list(total), 3)


@OP_RULES.register(_MS + "GroupNorm", _MS + "SkipGroupNorm")
def group_norm(ctx: RuleContext) -> None:
    """x [N, H, W, C] or [N, C, H, W], gamma, beta, then skip (as x, or its width alone) and bias: groups may go."""
    x = ctx.labels(0)
    last = ctx.attr("channels_last", 1)
    batch, *pixels, channels = x if last else [*x[:1], *x[2:], x[1]]
    _, within = split(ctx.store, channels, [ctx.attr("groups"), channels.size // ctx.attr("groups")])
    ctx.pin(within, "the channels of a group are normalised together")
    for labels in pixels:
        ctx.pin(labels, "this axis is normalised over")
    for slot in filter(ctx.has, (1, 2, 4)):
        ctx.unify(ctx.labels(slot)[0], channels)
    if ctx.has(3):
        if not last:
            ctx.pin(channels, "a skip connection of channels before pixels is not analysed")
        *others, width = ctx.labels(3)
        ctx.unify(width, channels)
        for labels in (batch, *others):
            ctx.pin(labels, "pictures of a skip connection")
    ctx.output(x)
    ctx.output(list(x), 1)


@REWRITES.register(_MS + "GroupNorm", _MS + "SkipGroupNorm")
def rewrite_group_norm(ctx: RewriteContext) -> None:
    """``groups`` is what is left of the groups."""
    (kept,), (total,) = ctx.new_shape(1), ctx.old_shape(1)
    ctx.set_attr("groups", ctx.attr("groups") * kept // total)


@OP_RULES.register(_MS + "RotaryEmbedding")
def rotary(ctx: RuleContext) -> None:
    """x [B, H, S, D] or [B, S, H*D], position_ids, cos and sin [max, D/2]."""
    x = ctx.labels(0)
    # Where the number of heads is not given, the whole width turns, by one angle for two coordinates.
    count = ctx.attr("num_heads", 0) or x[-1].size // (2 * ctx.labels(2)[-1].size)
    width = x[3] if len(x) == 4 else Heads.packed(ctx, x[2], count).width
    tie_rotary(ctx, width, ctx.attr("rotary_embedding_dim", 0), (2, 3))
    ctx.output(x)


@REWRITES.register(_MS + "RotaryEmbedding")
def rewrite_contrib_rotary(ctx: RewriteContext) -> None:
    """Head count and turned width are what is left."""
    rewrite_rotary(ctx, 2, ctx.attr("num_heads", 0))
