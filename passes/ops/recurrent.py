"""LSTM, GRU, RNN: hidden atoms repeat along the gates of W, R and B.

X [S, B, I] (or [B, S, I] with layout 1), W [D, G*H, I], R [D, G*H, H], B [D, 2*G*H],
initial states [D, B, H], P [D, 3*H]; G is 4, 3 or 1. Y [S, D, B, H].
"""

from __future__ import annotations

from compressor.passes.labels import fixed
from compressor.passes.op_rules import OP_RULES, RuleContext
from compressor.passes.rewrite_rules import REWRITES, RewriteContext
from compressor.passes.split_merge import merge

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


@OP_RULES.register(*GATES)
def recurrent(ctx: RuleContext) -> None:
    """One hidden atom per index, the same in every gate and both directions (they share arrays)."""
    gates = GATES[ctx.node.op]
    x, w, r = ctx.labels(0), ctx.labels(1), ctx.labels(2)
    hidden = r[2]
    for labels in (w[0], r[0]):
        ctx.pin(labels, "directions of a recurrent layer")
    ctx.unify(x[2], w[2])
    ctx.unify(w[1], merge(ctx.store, [fixed(gates), hidden]))
    ctx.unify(r[1], merge(ctx.store, [fixed(gates), hidden]))
    if ctx.has(3):
        ctx.unify(ctx.labels(3)[1], merge(ctx.store, [fixed(2 * gates), hidden]))
    if ctx.has(7):
        ctx.unify(ctx.labels(7)[1], merge(ctx.store, [fixed(3), hidden]))
    for slot in (5, 6):
        if ctx.has(slot):
            state = ctx.labels(slot)
            ctx.unify(state[2], hidden)
            for labels in state[:2]:
                ctx.pin(labels, "batch and direction of an initial state")
    for weights in (w, r):
        ctx.macs(x[0].size * x[1].size, *weights)
    ctx.contract(1, 2)
    ctx.contract(2, 2)
    for slot, tensor in enumerate(ctx.node.outputs):
        if tensor.name:
            ctx.output([*(fixed(size) for size in ctx.out_shape(slot)[:-1]), hidden], slot)
    for labels in x[:2]:
        ctx.pin(labels, "time and batch of a recurrent layer")


@REWRITES.register(*GATES)
def rewrite_recurrent(ctx: RewriteContext) -> None:
    """``hidden_size`` is what is left."""
    if ctx.attr("hidden_size") is not None:
        ctx.set_attr("hidden_size", ctx.new_shape(2)[2])
