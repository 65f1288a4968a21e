"""Attention and RotaryEmbedding of ai.onnx (opset 23 on).

Q [B, S, Hq*D] or [B, Hq, S, D]; K, V likewise with Hkv heads; caches are [B, Hkv, P, D].
"""

from __future__ import annotations

from compressor.passes.heads import Heads, kept_heads, tie
from compressor.passes.labels import Labels, fixed
from compressor.passes.op_rules import OP_RULES, RuleContext
from compressor.passes.rewrite_rules import REWRITES, RewriteContext

BATCH = "queries, keys and values share their batch"


def _heads(ctx: RuleContext, slot: int, count_name: str) -> Heads:
    x = ctx.labels(slot)
    return Heads(x[1], x[3]) if len(x) == 4 else Heads.packed(ctx, x[2], ctx.attr(count_name))


@OP_RULES.register("Attention")
def attention(ctx: RuleContext) -> None:
    """Heads and widths pass; positions stay; a mask per head follows the query heads."""
    four = ctx.rank() == 4
    query, key, value = _heads(ctx, 0, "q_num_heads"), _heads(ctx, 1, "kv_num_heads"), _heads(ctx, 2, "kv_num_heads")
    result = tie(ctx, query, key, value)
    for slot in range(3):
        ctx.pin(ctx.labels(slot)[2 if four else 1], "attention runs over positions")
        ctx.pin(ctx.labels(slot)[0], BATCH)
    if ctx.has(3):
        pin_mask(ctx, 3, query.head)
    for slot, own in ((4, key), (5, value)):
        if ctx.has(slot):
            tie_cache(ctx, slot, own)
    ctx.contract(0, 3 if four else 2)
    batch, positions = ctx.labels(0)[0], fixed(ctx.out_shape()[2 if four else 1])
    ctx.macs(2 * ctx.shape(0)[2 if four else 1] * ctx.shape(1)[2 if four else 1], batch, query.head, result.width)
    ctx.output([batch, result.head, positions, result.width] if four else [batch, positions, result.joined(ctx)])
    for slot, own in ((1, key), (2, value)):
        if ctx.gives(slot):
            ctx.output([batch, own.head, fixed(ctx.out_shape(slot)[2]), own.width], slot)
    if ctx.gives(3):
        ctx.output([batch, query.head, *(fixed(size) for size in ctx.out_shape(3)[2:])], 3)


def tie_cache(ctx: RuleContext, slot: int, own: Heads) -> None:
    """Keys or values of earlier positions, [B, H, P, D]."""
    cache = ctx.labels(slot)
    ctx.pin(cache[0], BATCH)
    ctx.unify(cache[1], own.head)
    ctx.pin(cache[2], "attention runs over positions")
    ctx.unify(cache[3], own.width)


def pin_mask(ctx: RuleContext, slot: int, heads: Labels) -> None:
    """A mask or bias [.., heads or 1, S, L]: positions stay, heads follow."""
    mask = ctx.labels(slot)
    for labels in (*mask[:-3], *mask[-2:]):
        ctx.pin(labels, "attention runs over positions")
    if len(mask) >= 3 and mask[-3].size == heads.size:
        ctx.unify(mask[-3], heads)


@REWRITES.register("Attention")
def rewrite_attention(ctx: RewriteContext) -> None:
    """Head counts are what is left; the scale keeps its original value."""
    four = len(ctx.old_shape(0)) == 4
    width = ctx.old_shape(0)[3] if four else ctx.old_shape(0)[2] // ctx.attr("q_num_heads")
    if ctx.attr("scale") is None:
        ctx.set_attr("scale", float(width**-0.5))
    if not four:
        for slot, name in ((0, "q_num_heads"), (1, "kv_num_heads")):
            ctx.set_attr(name, kept_heads(ctx.keep(slot, 2), ctx.attr(name)))


def tie_rotary(ctx: RuleContext, width: Labels, rotary: int, caches: tuple[int, ...]) -> None:
    """The two coordinates that turn together go together, and with their angle; batch and positions stay."""
    x = ctx.labels(0)
    for labels in (x[0], x[2 if len(x) == 4 else 1]):
        ctx.pin(labels, "angles are looked up by position")
    turned = width[: rotary or width.size]
    one, two = turned.reshape(-1, 2).T if ctx.attr("interleaved", 0) else turned.reshape(2, -1)
    ctx.unify(one, two)
    for slot in caches:
        cache = ctx.labels(slot)
        ctx.unify(cache[-1], one)
        for labels in cache[:-1]:
            ctx.pin(labels, "angles are looked up by position")


@OP_RULES.register("RotaryEmbedding")
def rotary_embedding(ctx: RuleContext) -> None:
    """X [B, H, S, D] or [B, S, H*D], cos and sin [.., D/2]."""
    heads = _heads(ctx, 0, "num_heads")
    tie_rotary(ctx, heads.width, ctx.attr("rotary_embedding_dim", 0), (1, 2))
    ctx.output(ctx.labels(0))


@REWRITES.register("RotaryEmbedding")
def rewrite_rotary_embedding(ctx: RewriteContext) -> None:
    """Head count and turned width are what is left."""
    rewrite_rotary(ctx, 1, ctx.attr("num_heads", 0))


def rewrite_rotary(ctx: RewriteContext, cache: int, count: int) -> None:
    """Shared by both domains: ``cache`` is the slot of the cosines."""
    if len(ctx.old_shape(0)) == 3 and count:
        ctx.set_attr("num_heads", kept_heads(ctx.keep(0, 2), count))
    if ctx.attr("rotary_embedding_dim", 0):
        ctx.set_attr("rotary_embedding_dim", 2 * ctx.new_shape(cache)[-1])
