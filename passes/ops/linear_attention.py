"""LinearAttention of ai.onnx (opset 27 on) and com.microsoft: a state of key width x value width per head.

Q [B, T, Hq*Dk], K [B, T, H*Dk], V [B, T, H*Dv], past state [B, H, Dk, Dv], decay [B, T, H*Dk or H],
beta [B, T, H or 1]; outputs [B, T, Hq*Dv] and the new state.
"""

from __future__ import annotations

from compressor.passes.heads import Heads, kept_heads, tie
from compressor.passes.op_rules import OP_RULES, RuleContext
from compressor.passes.ops.attention import BATCH
from compressor.passes.ops.contrib_attention import keep_scale
from compressor.passes.rewrite_rules import REWRITES, RewriteContext

_NAMES = ("LinearAttention", "com.microsoft::LinearAttention")


@OP_RULES.register(*_NAMES)
def linear_attention(ctx: RuleContext) -> None:
    """Heads and both widths pass; positions stay. Keys are summed over where the rule corrects its state."""
    heads, groups = ctx.attr("q_num_heads"), ctx.attr("kv_num_heads")
    if ctx.attr("state_window", 0) or groups > heads:
        ctx.pin_all("windows of states, or fewer query heads than key heads, are not analysed")
        return
    packed = [ctx.labels(slot)[2] for slot in range(3)]
    query, key, value = (Heads.packed(ctx, a, n) for a, n in zip(packed, (heads, groups, groups), strict=True))
    result = tie(ctx, query, key, value)
    for slot in filter(ctx.has, (0, 1, 2, 4, 5)):
        batch, positions, _ = ctx.labels(slot)
        ctx.pin(batch, BATCH)
        ctx.pin(positions, "the state runs over positions")
    if ctx.has(3):
        batch, head, key_width, value_width = ctx.labels(3)
        ctx.pin(batch, BATCH)
        ctx.unify(head, key.head)
        ctx.unify(key_width, key.width)
        ctx.unify(value_width, value.width)
    for slot in filter(ctx.has, (4, 5)):
        *_, gate = ctx.labels(slot)
        if gate.size > 1:
            ctx.unify(gate, key.head if gate.size == groups else key.joined(ctx))
    ctx.contract(0, 2)
    ctx.contract(1, 2)
    batch, positions, _ = ctx.labels(0)
    ctx.macs(2 * positions.size, batch, query.head, key.width, value.width)
    ctx.output([batch, positions, result.joined(ctx)])
    ctx.output([batch, key.head, key.width, value.width], 1)


@REWRITES.register(*_NAMES)
def rewrite_linear_attention(ctx: RewriteContext) -> None:
    """Head counts are what is left; the scale keeps its original value."""
    heads, groups = ctx.attr("q_num_heads"), ctx.attr("kv_num_heads")
    keep_scale(ctx, ctx.old_shape(0)[2] // heads)
    ctx.set_attr("q_num_heads", kept_heads(ctx.keep(0, 2), heads))
    ctx.set_attr("kv_num_heads", kept_heads(ctx.keep(1, 2), groups))
