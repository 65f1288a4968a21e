"""Cast, CastLike, BitCast, Identity, Constant. Casts to the file's main float type follow ``module.to(dtype)``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from compressor.bridge.lowering import HOST_LOWERINGS, LOWERINGS, LowerContext
from compressor.bridge.ops.element_types import element_type
from compressor.bridge.ops.host_values import elements_of, is_number, list_of, number_call
from compressor.bridge.tensor_types import to_torch, torch_type
from compressor.constant_nodes import constant_values
from compressor.tensor_values import onnx_type, peek

_FLOAT8 = frozenset({torch.float8_e4m3fn, torch.float8_e4m3fnuz, torch.float8_e5m2, torch.float8_e5m2fnuz})
_E4M3_ROUNDS_TO_MAX = 464.0  # halfway from the largest number, 448, to what would be the next


def cast_as(x: Tensor, like: Tensor) -> Tensor:
    """``x`` in the number type of ``like``."""
    return x.to(like.dtype)


def saturate(x: Tensor, dtype: torch.dtype) -> Tensor:
    """``x`` in an 8-bit floating-point type, numbers beyond its range at its ends."""
    limit = torch.finfo(dtype).max
    return x.to(torch.float32).clamp(-limit, limit).to(dtype)


def overflow(x: Tensor) -> Tensor:
    """``x`` as float8_e4m3fn, which has no infinity: numbers beyond its range are none (PyTorch saturates)."""
    return torch.where(x.abs() > _E4M3_ROUNDS_TO_MAX, float("nan"), x.to(torch.float32)).to(torch.float8_e4m3fn)


def bit_cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The same bits, read as another type of the same width."""
    return x.view(dtype)


def cast(ctx: LowerContext, dtype: torch.dtype) -> Any:
    """Input 0 as ``dtype``."""
    x = ctx.tensor(0)
    if dtype in _FLOAT8 and ctx.attr("saturate", 1):
        return ctx.call(saturate, x, dtype)
    if dtype == torch.float8_e4m3fn:
        return ctx.call(overflow, x)
    if isinstance(x, torch.Tensor) or dtype != ctx.builder.main_type():
        return ctx.call(torch.Tensor.to, x, dtype)
    return ctx.call(cast_as, x, ctx.builder.anchor())


@LOWERINGS.register("Cast")
def _cast(ctx: LowerContext) -> Any:
    return cast(ctx, _wanted(ctx))


@LOWERINGS.register("CastLike")
def _cast_like(ctx: LowerContext) -> Any:
    dtype = element_type(ctx, 1)
    return ctx.call(cast_as, ctx.tensor(0), ctx.tensor(1)) if dtype is None else cast(ctx, dtype)


@LOWERINGS.register("BitCast")
def _bit_cast(ctx: LowerContext) -> Any:
    return ctx.call(bit_cast, ctx.tensor(0), _wanted(ctx))


@LOWERINGS.register("Identity")
def _identity(ctx: LowerContext) -> Any:
    return ctx.value(0)


def to_number(value: Any, kind: str) -> Any:
    """A host value as ``int``, ``float`` or ``bool``; floats are cut off toward zero, as float32."""
    if isinstance(value, (list, tuple)):
        return [to_number(x, kind) for x in value]
    if kind == "bool":
        return value != 0
    if kind == "int":
        return int(np.float32(value)) if isinstance(value, float) else int(value)
    return value * 1.0


@HOST_LOWERINGS.register("Cast")
def _host_cast(ctx: LowerContext) -> Any:
    kinds = {torch.int64: "int", torch.int32: "int", torch.bool: "bool", ctx.builder.main_type(): "float"}
    kind, value = kinds.get(_wanted(ctx)), ctx.value(0)
    if kind is None:
        return NotImplemented
    elements = elements_of(value)
    if elements is None:
        return ctx.host_call(to_number, ctx.host(0), kind)
    numbers = [_number(ctx, element, kind) for element in elements]
    return numbers[0] if is_number(value) else ctx.host_call(list_of, *numbers)


def _number(ctx: LowerContext, element: Any, kind: str) -> Any:
    """One number of another type; sizes are whole already."""
    is_size = isinstance(element, fx.Node) and element.target is torch.Tensor.size
    return element if is_size and kind == "int" else number_call(ctx, to_number, element, kind)


def _wanted(ctx: LowerContext) -> torch.dtype:
    return torch_type(onnx_type(ctx.attr("to")), f"node {ctx.node.name!r} ({ctx.node.op})")


@LOWERINGS.register("Constant")
def _constant(ctx: LowerContext) -> Any:
    """Only as a graph's output: elsewhere normalisation has made initializers of them."""
    return to_torch(peek(constant_values(ctx.node)), f"node {ctx.node.name!r}")
