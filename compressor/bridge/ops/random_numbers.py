"""Numbers drawn at random, from PyTorch's generator: ``seed`` attributes would repeat one draw at every step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.element_types import device, element_type, run_time_type
from compressor.bridge.tensor_types import torch_type
from compressor.tensor_values import onnx_type


def normal(shape: Sequence[int], mean: float, scale: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Normally distributed numbers."""
    return torch.randn(tuple(shape), dtype=dtype, device=device) * scale + mean


def uniform(shape: Sequence[int], low: float, high: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers between ``low`` and ``high``."""
    return torch.rand(tuple(shape), dtype=dtype, device=device) * (high - low) + low


def multinomial(x: Tensor, count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """``count`` classes for each row of unnormalised log probabilities."""
    shares = torch.softmax(x.to(device, torch.float32), -1)
    return torch.multinomial(shares, count, replacement=True).to(dtype)


def bernoulli(x: Tensor, dtype: torch.dtype | None, device: torch.device) -> Tensor:
    """Ones with the probabilities ``x``, else zeros."""
    return torch.bernoulli(x.to(device)).to(x.dtype if dtype is None else dtype)


def _type(ctx: LowerContext, default: torch.dtype | None) -> torch.dtype | None:
    kind = ctx.attr("dtype")
    return default if kind is None else torch_type(onnx_type(kind), f"node {ctx.node.name!r}")


def _limits(ctx: LowerContext) -> tuple[Any, float, float]:
    if ctx.node.op.startswith("RandomNormal"):
        return normal, ctx.attr("mean", 0.0), ctx.attr("scale", 1.0)
    return uniform, ctx.attr("low", 0.0), ctx.attr("high", 1.0)


@LOWERINGS.register("RandomNormal", "RandomUniform")
def _random(ctx: LowerContext) -> Any:
    function, first, second = _limits(ctx)
    dtype = _type(ctx, torch.float32) or torch.float32
    return ctx.call(function, tuple(ctx.attr("shape")), first, second, run_time_type(ctx, dtype), device(ctx))


@LOWERINGS.register("RandomNormalLike", "RandomUniformLike")
def _random_like(ctx: LowerContext) -> Any:
    function, first, second = _limits(ctx)
    dtype = _type(ctx, element_type(ctx, 0))
    if dtype is None:
        raise ctx.error("its number type is not known")
    shape = ctx.call(getattr, ctx.tensor(0), "shape")
    return ctx.call(function, shape, first, second, run_time_type(ctx, dtype), device(ctx))


@LOWERINGS.register("Multinomial")
def _multinomial(ctx: LowerContext) -> Any:
    dtype = _type(ctx, torch.int32)
    return ctx.call(multinomial, ctx.tensor(0), ctx.attr("sample_size", 1), dtype, device(ctx))


@LOWERINGS.register("Bernoulli")
def _bernoulli(ctx: LowerContext) -> Any:
    return ctx.call(bernoulli, ctx.tensor(0), _type(ctx, None), device(ctx))
