"""Where, ops on any number of inputs, and arithmetic whose number types differ: Pow and Mod."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.element_types import element_type, is_float
from compressor.bridge.ops.unsigned import lower_unsigned, takes_unsigned


def power(x: Tensor, exponent: Any) -> Tensor:
    """Powers in the number type of ``x``."""
    if x.is_floating_point():
        return torch.pow(x, exponent).to(x.dtype)
    fractional = exponent.is_floating_point() if isinstance(exponent, Tensor) else isinstance(exponent, float)
    return torch.pow(x.to(torch.float64) if fractional else x, exponent).to(x.dtype)


def _fold(ctx: LowerContext, function: Callable[..., Any]) -> Any:
    if takes_unsigned(ctx, ctx.node.op):
        op = ctx.node.op
        return functools.reduce(lambda left, right: lower_unsigned(ctx, op, left, right), ctx.tensors())
    return functools.reduce(lambda left, right: ctx.call(function, left, right), ctx.tensors())


def softmax_or_zero(x: Tensor, dim: int) -> Tensor:
    """Softmax with zeros where nothing is let through, which plainly is 0 / 0 and leaves no gradient elsewhere."""
    silent = ~torch.isfinite(x.amax(dim, keepdim=True))
    return torch.softmax(x.masked_fill(silent, 0.0), dim).masked_fill(silent, 0.0)


def _is_softmax_or_zero(condition: Any, zero: Any, softmax: Any) -> bool:
    """Attention's ``where(isnan(softmax(x)), 0, softmax(x))``?"""
    if not (isinstance(condition, fx.Node) and isinstance(softmax, fx.Node) and isinstance(zero, Tensor)):
        return False
    checks = condition.target is torch.isnan and condition.args == (softmax,) and softmax.target is torch.softmax
    return checks and zero.numel() == 1 and zero.item() == 0


@LOWERINGS.register("Where")
def _where(ctx: LowerContext) -> Any:
    condition, zero, softmax = (ctx.value(slot) for slot in range(3))
    if isinstance(softmax, fx.Node) and _is_softmax_or_zero(condition, zero, softmax):
        return ctx.call(softmax_or_zero, *softmax.args)
    return ctx.call(torch.where, ctx.tensor(0), ctx.tensor(1), ctx.tensor(2))


@LOWERINGS.register("Max")
def _max(ctx: LowerContext) -> Any:
    return _fold(ctx, torch.maximum)


@LOWERINGS.register("Min")
def _min(ctx: LowerContext) -> Any:
    return _fold(ctx, torch.minimum)


@LOWERINGS.register("Sum")
def _sum(ctx: LowerContext) -> Any:
    return _fold(ctx, torch.add)


@LOWERINGS.register("Mean")
def _mean(ctx: LowerContext) -> Any:
    total = _fold(ctx, torch.add)
    return total if ctx.count() == 1 else ctx.call(torch.div, total, ctx.count())


@LOWERINGS.register("Pow")
def _pow(ctx: LowerContext) -> Any:
    exponent = ctx.operand(1)
    if isinstance(exponent, float) and exponent.is_integer():
        exponent = int(exponent)  # whole powers are cheaper, and of integers exact
    plain = isinstance(exponent, int) or (isinstance(exponent, float) and is_float(element_type(ctx, 0)))
    return ctx.call(torch.pow if plain else power, ctx.tensor(0), exponent)


@LOWERINGS.register("Mod")
def _mod(ctx: LowerContext) -> Any:
    if takes_unsigned(ctx, "Mod"):
        return lower_unsigned(ctx, "Mod")
    return ctx.call(torch.fmod if ctx.attr("fmod", 0) else torch.remainder, ctx.tensor(0), ctx.operand(1))
