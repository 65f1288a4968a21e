"""Fused attention of com.microsoft (ONNX Runtime's ContribOperators.md)."""

from __future__ import annotations

import numpy as np

from compressor.passes.heads import Heads, kept_heads, tie
from compressor.passes.labels import Labels, fixed
from compressor.passes.op_rules import OP_RULES, RuleContext
from compressor.passes.ops.attention import BATCH, pin_mask, tie_cache
from compressor.passes.rewrite_rules import REWRITES, Mask, RewriteContext

_MS = "com.microsoft::"
_POSITIONS = "attention runs over positions"


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
    for slot in filter(ctx.has, range(3)):
        batch, positions, _ = ctx.labels(slot)
        ctx.pin(batch, BATCH)
        ctx.pin(positions, _POSITIONS)
    ctx.contract(0, 2)
    batch = ctx.labels(0)[0]
    ctx.macs(2 * ctx.shape(0)[1] * ctx.shape(1 if ctx.has(1) else 0)[1], batch, query.head, result.width)
    ctx.output([batch, fixed(ctx.out_shape()[1]), result.joined(ctx)])
    for slot, own in ((1, key), (2, value)):
        if ctx.gives(slot):
            ctx.output([batch, own.head, fixed(ctx.out_shape(slot)[2]), own.width], slot)


@REWRITES.register(_MS + "MultiHeadAttention")
def rewrite_multi_head(ctx: RewriteContext) -> None:
    """Head count is what is left; the scale keeps its original value."""
    keep_scale(ctx, ctx.old_shape(0)[2] // ctx.attr("num_heads"))
    ctx.set_attr("num_heads", kept_heads(ctx.keep(0, 2), ctx.attr("num_heads")))


def keep_scale(ctx: RewriteContext, width: int) -> None:
    """The scale that the op derives from ``width``, the original width of a head, is written out."""
    if not ctx.attr("scale", 0.0):
        ctx.set_attr("scale", float(width**-0.5))


@OP_RULES.register(_MS + "GroupQueryAttention")
def group_query(ctx: RuleContext) -> None:
    """query [B, S, Hq*D], key and value [B, S, Hkv*D] or all in one, caches, lengths, angles, bias, sinks, norms."""
    if ctx.has(12) or ctx.has(13):
        ctx.pin_all("caches of quantised keys and values are not analysed")
        return
    heads, groups = ctx.attr("num_heads"), ctx.attr("kv_num_heads")
    if ctx.has(1):
        axes = [ctx.labels(slot)[2] for slot in range(3)]
    else:
        axes = np.split(ctx.labels(0)[2], _cuts(ctx.shape(0), heads, groups))
    query, key, value = (Heads.packed(ctx, a, n) for a, n in zip(axes, (heads, groups, groups), strict=True))
    result = tie(ctx, query, key, value)
    ctx.unify(key.width, value.width)  # the kernel takes one head size
    ctx.pin(query.width, "the kernel takes head widths that are multiples of 8")
    for slot in filter(ctx.has, (7, 8)):
        for labels in ctx.labels(slot):
            ctx.pin(labels, "the kernel turns whole heads by a table of angles")
    if ctx.has(10):
        pin_mask(ctx, 10, query.head)
    if ctx.has(11):
        ctx.unify(ctx.labels(11)[0], query.head)  # a sink per head
    for slot in filter(ctx.has, (14, 15)):
        ctx.unify(ctx.labels(slot)[0], query.width)  # scales of norms inside
    _finish(ctx, query, key, value, result, caches=(3, 4))


def _cuts(shape: tuple[int, ...], heads: int, groups: int) -> list[int]:
    """Where keys and values begin in [B, S, (heads + 2 groups) * width]."""
    width = shape[2] // (heads + 2 * groups)
    return [heads * width, (heads + groups) * width]


@REWRITES.register(_MS + "GroupQueryAttention")
def rewrite_group_query(ctx: RewriteContext) -> None:
    """Head counts are what is left (widths stay, and with them the scale)."""
    heads, groups = ctx.attr("num_heads"), ctx.attr("kv_num_heads")
    query, key = (ctx.keep(slot, 2) for slot in (0, 1)) if ctx.has(1) else _packed_masks(ctx, heads, groups)
    ctx.set_attr("num_heads", kept_heads(query, heads))
    ctx.set_attr("kv_num_heads", kept_heads(key, groups))


def _packed_masks(ctx: RewriteContext, heads: int, groups: int) -> tuple[Mask | None, Mask | None]:
    keep = ctx.keep(0, 2)
    if keep is None:
        return None, None
    query, key, _ = np.split(keep, _cuts(ctx.old_shape(0), heads, groups))
    return query, key


@OP_RULES.register(_MS + "Attention")
def packed_attention(ctx: RuleContext) -> None:
    """x [B, S, C], weights [C, Dq + Dk + Dv], bias, mask, cache, relative bias: projection and attention in one."""
    x, weight = ctx.labels(0), ctx.labels(1)
    heads, sizes = ctx.attr("num_heads"), ctx.attr("qkv_hidden_sizes") or [weight[1].size // 3] * 3
    if ctx.attr("do_rotary", 0):
        ctx.pin_all("Attention with rotation inside is not analysed")
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
    ctx.pin(x[1], _POSITIONS)
    ctx.contract(1, 0)
    ctx.contract(1, 1)  # inside, the widths of query and key are summed over
    ctx.macs(ctx.shape(0)[1], x[0], *weight)
    ctx.macs(2 * ctx.shape(0)[1] ** 2, x[0], query.head, result.width)
    ctx.output([x[0], fixed(ctx.out_shape()[1]), result.joined(ctx)])
    _stacked_caches(ctx, key, value)


def _stacked_caches(ctx: RuleContext, key: Heads, value: Heads) -> None:
    """Earlier and all keys and values, each in one tensor [2, B, H, P, D]."""
    if ctx.has(4) or ctx.gives(1):
        ctx.unify(key.width, value.width)
    if ctx.has(4):
        both, batch, head, positions, width = ctx.labels(4)
        for labels in (both, batch, positions):
            ctx.pin(labels, "keys and values of a cache")
        ctx.unify(head, key.head)
        ctx.unify(width, key.width)
    if ctx.gives(1):
        both, batch, _, positions, _ = map(fixed, ctx.out_shape(1))
        ctx.output([both, batch, key.head, positions, key.width], 1)


@REWRITES.register(_MS + "Attention")
def rewrite_packed_attention(ctx: RewriteContext) -> None:
    """Head count and the three widths are what is left; the scale keeps its original value."""
    heads, (_, total) = ctx.attr("num_heads"), ctx.old_shape(1)
    sizes = ctx.attr("qkv_hidden_sizes") or [total // 3] * 3
    query_size, _, _ = sizes
    keep_scale(ctx, query_size // heads)
    keep = ctx.keep(1, 1)
    if keep is None:
        return
    query, key, value = np.split(keep, np.cumsum(sizes)[:-1])
    ctx.set_attr("num_heads", kept_heads(query, heads))
    ctx.set_attr("qkv_hidden_sizes", [int(part.sum()) for part in (query, key, value)])
