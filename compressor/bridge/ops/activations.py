"""Activations with attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext


def selu(x: Tensor, alpha: float, gamma: float) -> Tensor:
    """gamma (x, or alpha (e^x - 1) below zero)."""
    return gamma * F.elu(x, alpha)


def hard_sigmoid(x: Tensor, alpha: float = 0.2, beta: float = 0.5) -> Tensor:
    """alpha x + beta, kept between 0 and 1."""
    return F.hardtanh(x * alpha + beta, 0.0, 1.0)


def shrink(x: Tensor, bias: float, lambd: float) -> Tensor:
    """x - bias above lambd, x + bias below -lambd, zero between."""
    zero = torch.zeros_like(x)
    return torch.where(x > lambd, (x - bias).to(x.dtype), torch.where(x < -lambd, (x + bias).to(x.dtype), zero))


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    """x, or slope x below zero; the slope broadcasts to the shape of ``x``."""
    return torch.where(x < 0, x * slope, x)


def swish(x: Tensor, alpha: float) -> Tensor:
    """x sigmoid(alpha x)."""
    return x * torch.sigmoid(x * alpha)


def swiglu(gate: Tensor, linear: Tensor, alpha: float) -> Tensor:
    """The gate through swish, times the linear input."""
    return swish(gate, alpha) * linear


# ONNX op -> function, and its attributes in order with their defaults
_WITH_ATTRIBUTES: dict[str, tuple[Callable[..., Tensor], dict[str, float]]] = {
    "Elu": (F.elu, {"alpha": 1.0}),
    "Celu": (F.celu, {"alpha": 1.0}),
    "LeakyRelu": (F.leaky_relu, {"alpha": 0.01}),
    "Selu": (selu, {"alpha": 1.67326319217681884765625, "gamma": 1.05070102214813232421875}),
    "Shrink": (shrink, {"bias": 0.0, "lambd": 0.5}),
    "com.microsoft::QuickGelu": (swish, {"alpha": 1.702}),
}


def _register_table() -> None:
    def lowering(function: Callable[..., Tensor], defaults: dict[str, float]) -> Callable[[LowerContext], Any]:
        return lambda ctx: ctx.call(function, ctx.tensor(0), *(ctx.attr(k, v) for k, v in defaults.items()))

    for name, (function, defaults) in _WITH_ATTRIBUTES.items():
        LOWERINGS.register(name)(lowering(function, defaults))


_register_table()


@LOWERINGS.register("HardSigmoid")
def lower_hard_sigmoid(ctx: LowerContext) -> Any:
    """PyTorch's has fixed numbers; they are those of MobileNetV3."""
    alpha, beta = ctx.attr("alpha", 0.2), ctx.attr("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-7 and beta == 0.5:
        return ctx.call(F.hardsigmoid, ctx.tensor(0))
    return ctx.call(hard_sigmoid, ctx.tensor(0), alpha, beta)


@LOWERINGS.register("ThresholdedRelu")
def thresholded_relu(ctx: LowerContext) -> Any:
    """x above alpha, else zero."""
    return ctx.call(F.threshold, ctx.tensor(0), ctx.attr("alpha", 1.0), 0.0)


@LOWERINGS.register("PRelu")
def lower_prelu(ctx: LowerContext) -> Any:
    """PyTorch's own takes slopes of one axis only."""
    return ctx.call(prelu, ctx.tensor(0), ctx.tensor(1))


@LOWERINGS.register("Swish")
def lower_swish(ctx: LowerContext) -> Any:
    """With alpha 1 it is what PyTorch calls SiLU."""
    alpha = ctx.attr("alpha", 1.0)
    return ctx.call(F.silu, ctx.tensor(0)) if alpha == 1 else ctx.call(swish, ctx.tensor(0), alpha)


@LOWERINGS.register("SwiGLU")
def lower_swiglu(ctx: LowerContext) -> Any:
    """Gate and linear part come as two inputs."""
    return ctx.call(swiglu, ctx.tensor(0), ctx.tensor(1), ctx.attr("alpha", 1.0))


@LOWERINGS.register("com.microsoft::BiasAdd")
def bias_add(ctx: LowerContext) -> Any:
    """Input, bias and skip connection in one sum."""
    return ctx.call(torch.add, ctx.call(torch.add, ctx.tensor(0), ctx.tensor(1)), ctx.tensor(2))


@LOWERINGS.register("Gelu", "com.microsoft::Gelu")
def gelu(ctx: LowerContext) -> Any:
    """Exact, or with tanh."""
    return ctx.call(F.gelu, ctx.tensor(0), approximate=ctx.attr("approximate", "none"))


@LOWERINGS.register("com.microsoft::FastGelu", "com.microsoft::BiasGelu")
def biased_gelu(ctx: LowerContext) -> Any:
    """The sum of input and bias through gelu."""
    x = ctx.call(torch.add, ctx.tensor(0), ctx.tensor(1)) if ctx.has(1) else ctx.tensor(0)
    return ctx.call(F.gelu, x, approximate="tanh" if ctx.node.op == "FastGelu" else "none")


@LOWERINGS.register("Clip")
def clip(ctx: LowerContext) -> Any:
    """Limits are attributes before opset 11."""
    x = ctx.tensor(0)
    if ctx.opset < 11:
        low, high = ctx.attr("min"), ctx.attr("max")
    else:
        low, high = (ctx.operand(slot) if ctx.has(slot) else None for slot in (1, 2))
    if isinstance(low, float) and isinstance(high, float) and low <= high:
        return ctx.call(F.hardtanh, x, low, high)  # its gradient is one kernel, that of clamp is four
    if low is None and high is None:
        return x
    if any(not isinstance(limit, (int, float, type(None))) for limit in (low, high)):
        low, high = (ctx.maybe(slot) for slot in (1, 2))
    return ctx.call(torch.clamp, x, low, high)
