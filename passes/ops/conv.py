"""Convolutions. Weights are [O, C/g, k...] for Conv and [C, O/g, k...] for ConvTranspose."""

from __future__ import annotations

import math

from compressor.passes.labels import fixed
from compressor.passes.op_rules import OP_RULES, RuleContext
from compressor.passes.rewrite_rules import REWRITES, RewriteContext
from compressor.passes.split_merge import merge, split


def _spatial(ctx: RuleContext, *slots: int) -> None:
    for slot in slots:
        for labels in ctx.labels(slot)[2:]:
            ctx.pin(labels, "a convolution slides over this axis")


def tie_conv(ctx: RuleContext, *, data: int, weight: int, bias: int | None, zero: int | None = None) -> None:
    """X channels (group, j) meet W axis 1 in j; Y channels are W axis 0 as (group, o).

    Args:
        data, weight, bias: input slots.
        zero: slot of the weight's zero point, the number that stands for nothing.
    """
    x, w = ctx.labels(data), ctx.labels(weight)
    group = ctx.attr("group", 1)
    _spatial(ctx, data, weight)
    if group == 1:
        ctx.unify(x[1], w[1])
    else:
        x_group, x_within = split(ctx.store, x[1], [group, x[1].size // group])
        w_group, _ = split(ctx.store, w[0], [group, w[0].size // group])
        ctx.unify(x_group, w_group)
        ctx.unify(x_within, w[1])
    if bias is not None and ctx.has(bias):
        ctx.unify(ctx.labels(bias)[0], w[0])
    ctx.contract(weight, 1, zero=zero)
    ctx.macs(math.prod(ctx.out_shape()[2:]) * math.prod(ctx.shape(weight)[2:]), x[0], w[0], w[1])
    ctx.output([x[0], w[0], *(fixed(size) for size in ctx.out_shape()[2:])])


@OP_RULES.register("Conv")
def conv(ctx: RuleContext) -> None:
    """X [N, C, ...], W [O, C/g, k...], B [O]."""
    tie_conv(ctx, data=0, weight=1, bias=2)


@OP_RULES.register("ConvTranspose")
def conv_transpose(ctx: RuleContext) -> None:
    """X channels are W axis 0 as (group, j); Y channels are (group, W axis 1)."""
    x, w = ctx.labels(0), ctx.labels(1)
    group = ctx.attr("group", 1)
    _spatial(ctx, 0, 1)
    ctx.unify(x[1], w[0])
    out = w[1]
    if group > 1:
        w_group, _ = split(ctx.store, w[0], [group, w[0].size // group])
        out = merge(ctx.store, [w_group, w[1]])
    if ctx.has(2):
        ctx.unify(ctx.labels(2)[0], out)
    ctx.contract(1, 0)
    ctx.macs(math.prod(ctx.shape(0)[2:]) * math.prod(ctx.shape(1)[2:]), x[0], w[0], w[1])
    ctx.output([x[0], out, *(fixed(size) for size in ctx.out_shape()[2:])])


@REWRITES.register("Conv")
def rewrite_conv(ctx: RewriteContext) -> None:
    """``group`` is what is left of the groups."""
    weight = 3 if ctx.node.op == "QLinearConv" else 1
    if ctx.attr("group", 1) > 1:
        ctx.set_attr("group", ctx.new_shape(0)[1] // ctx.new_shape(weight)[1])


@REWRITES.register("ConvTranspose")
def rewrite_conv_transpose(ctx: RewriteContext) -> None:
    """``group`` is what is left of the groups."""
    if ctx.attr("group", 1) > 1:
        ctx.set_attr("group", ctx.new_out_shape(0)[1] // ctx.new_shape(1)[1])
