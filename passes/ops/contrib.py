"""com.microsoft ops that optimised files contain (ONNX Runtime's ContribOperators.md)."""

from __future__ import annotations

import numpy as np

from compressor.passes.heads import Heads, kept_heads, tie
from compressor.passes.labels import Labels, fixed
from compressor.passes.op_rules import OP_RULES, RuleContext
from compressor.passes.ops.attention import BATCH, pin_mask, rewrite_rotary, tie_cache, tie_rotary
from compressor.passes.ops.conv import rewrite_conv, tie_conv
from compressor.passes.ops.elementwise import broadcast
from compressor.passes.ops.matmul import gemm
from compressor.passes.rewrite_rules import REWRITES, RewriteContext

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


@OP_RULES.register(_MS + "FusedMatMul")
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


@OP_RULES.register(_MS + "MultiHeadAttention")
def multi_head(ctx: RuleContext) -> None:
    """query, key, value [B, S, H*D], bias [all three], masks, caches [B, H, P, D]."""
    heads = ctx.attr("num_heads")
    query, key, value = (Heads.packed(ctx, ctx.labels(slot)[2], heads) for slot in range(3))
    result = tie(ctx, query, key, value)
    if ctx.has(3):
        ctx.unify(ctx.labels(3)[0], np.concatenate([ctx.labels(slot)[2] for slot in range(3)]))
        ctx.contract(3, 0)
    if ctx.has(5):
        pin_mask(ctx, 5, query.head)
    _finish(ctx, query, key, value, result, caches=(6, 7))


def _finish(
    ctx: RuleContext, query: Heads, key: Heads, value: Heads, result: Heads, *, caches: tuple[int, int]
) -> None:
    for slot, own in zip(caches, (key, value), strict=True):
        if ctx.has(slot):
            tie_cache(ctx, slot, own)
    for slot in range(3):
        ctx.pin(ctx.labels(slot)[0], BATCH)
        ctx.pin(ctx.labels(slot)[1], "attention runs over positions")
    ctx.contract(0, 2)
    batch = ctx.labels(0)[0]
    ctx.macs(2 * ctx.shape(0)[1] * ctx.shape(1)[1], batch, query.head, result.width)
    ctx.output([batch, fixed(ctx.out_shape()[1]), result.joined(ctx)])
    for slot, own in ((1, key), (2, value)):
        if ctx.gives(slot):
            ctx.output([batch, own.head, fixed(ctx.out_shape(slot)[2]), own.width], slot)


@REWRITES.register(_MS + "MultiHeadAttention")
def rewrite_multi_head(ctx: RewriteContext) -> None:
    """Head count is what is left; the scale keeps its original value."""
    _keep_scale(ctx, ctx.old_shape(0)[2] // ctx.attr("num_heads"))
    ctx.set_attr("num_heads", kept_heads(ctx.keep(0, 2), ctx.attr("num_heads")))


def _keep_scale(ctx: RewriteContext, width: int) -> None:
    if not ctx.attr("scale", 0.0):
        ctx.set_attr("scale", float(width**-0.5))


@OP_RULES.register(_MS + "GroupQueryAttention")
def group_query(ctx: RuleContext) -> None:
    """query [B, S, Hq*D], key and value [B, S, Hkv*D], caches, lengths, optional angles (slots 7, 8)."""
    if not (ctx.has(1) and ctx.has(2)):
        ctx.pin_all("packed query, key and value are not analysed")
        return
    query = Heads.packed(ctx, ctx.labels(0)[2], ctx.attr("num_heads"))
    key, value = (Heads.packed(ctx, ctx.labels(slot)[2], ctx.attr("kv_num_heads")) for slot in (1, 2))
    ctx.unify(key.width, value.width)  # the kernel takes one head size
    result = tie(ctx, query, key, value)
    ctx.pin(query.width, "the kernel takes head widths that are multiples of 8")
    if ctx.has(7):
        for labels in (*ctx.labels(7), *ctx.labels(8)):
            ctx.pin(labels, "the kernel turns whole heads by a table of angles")
    for slot in range(9, len(ctx.node.inputs)):
        if ctx.has(slot):
            for labels in ctx.labels(slot):
                ctx.pin(labels, "extra inputs of GroupQueryAttention are not analysed")
    _finish(ctx, query, key, value, result, caches=(3, 4))


@REWRITES.register(_MS + "GroupQueryAttention")
def rewrite_group_query(ctx: RewriteContext) -> None:
    """Head counts are what is left; the scale keeps its original value."""
    _keep_scale(ctx, ctx.old_shape(0)[2] // ctx.attr("num_heads"))
    for slot, name in ((0, "num_heads"), (1, "kv_num_heads")):
        ctx.set_attr(name, kept_heads(ctx.keep(slot, 2), ctx.attr(name)))


@OP_RULES.register(_MS + "Attention")
def packed_attention(ctx: RuleContext) -> None:
    """x [B, S, C], weights [C, Dq + Dk + Dv], bias, mask, cache, relative bias: projection and attention in one."""
    x, weight = ctx.labels(0), ctx.labels(1)
    heads, sizes = ctx.attr("num_heads"), ctx.attr("qkv_hidden_sizes") or [weight[1].size // 3] * 3
    if ctx.has(4) or ctx.attr("do_rotary", 0) or len(ctx.node.outputs) > 1:
        ctx.pin_all("Attention with a cache or rotation inside is not analysed")
        return
    ctx.unify(x[2], weight[0])
    parts: list[Labels] = np.split(weight[1], np.cumsum(sizes)[:-1])
    query, key, value = (Heads.packed(ctx, part, heads) for part in parts)
    result = tie(ctx, query, key, value)
    if ctx.has(2):
        ctx.unify(ctx.labels(2)[0], weight[1])
        ctx.contract(2, 0)
    if ctx.has(5):
        pin_mask(ctx, 5, query.head)
    ctx.pin(x[0], BATCH)
    ctx.pin(x[1], "attention runs over positions")
    ctx.contract(1, 0)
    ctx.contract(1, 1)  # inside, the widths of query and key are summed over
    ctx.macs(ctx.shape(0)[1], x[0], *weight)
    ctx.macs(2 * ctx.shape(0)[1] ** 2, x[0], query.head, result.width)
    ctx.output([x[0], fixed(ctx.out_shape()[1]), result.joined(ctx)])


@REWRITES.register(_MS + "Attention")
def rewrite_packed_attention(ctx: RewriteContext) -> None:
    """Head count and the three widths are what is left; the scale keeps its original value."""
    heads, total = ctx.attr("num_heads"), ctx.old_shape(1)[1]
    sizes = ctx.attr("qkv_hidden_sizes") or [total // 3] * 3
    _keep_scale(ctx, sizes[0] // heads)
    keep = ctx.keep(1, 1)
    if keep is None:
        return
    parts = np.split(keep, np.cumsum(sizes)[:-1])
    ctx.set_attr("num_heads", kept_heads(parts[0], heads))
    ctx.set_attr("qkv_hidden_sizes", [int(part.sum()) for part in parts])
