"""What is known of number types at conversion, and types that follow ``module.to(dtype)``."""

from __future__ import annotations

from typing import Any

import torch

from compressor.bridge.lowering import LowerContext
from compressor.bridge.tensor_types import TORCH_TYPES
from compressor.tensor_values import onnx_type


def element_type(ctx: LowerContext, slot: int) -> torch.dtype | None:
    """The number type that the file gives input ``slot``, if it tells."""
    if not ctx.has(slot):
        return None
    value = ctx.value(slot)
    return value.dtype if isinstance(value, torch.Tensor) else _declared(ctx.node.inputs[slot].dtype)


def output_type(ctx: LowerContext, output: int = 0) -> torch.dtype | None:
    """The number type that the file gives an output, if it tells."""
    return _declared(ctx.node.outputs[output].dtype)


def rank(ctx: LowerContext, slot: int) -> int | None:
    """How many axes input ``slot`` has, if that is known at conversion."""
    value = ctx.value(slot)
    if isinstance(value, torch.Tensor):
        return value.ndim
    shape = ctx.node.inputs[slot].shape
    return None if shape is None else len(shape)


def is_float(dtype: torch.dtype | None) -> bool:
    """Whether this is known to be a floating-point type."""
    return dtype is not None and dtype.is_floating_point


def run_time_type(ctx: LowerContext, dtype: torch.dtype) -> Any:
    """``dtype``, or what became of it where it is the file's main type and the module was moved to another."""
    return ctx.call(getattr, ctx.builder.anchor(), "dtype") if dtype == ctx.builder.main_type() else dtype


def device(ctx: LowerContext) -> Any:
    """The module's device at run time."""
    return ctx.call(getattr, ctx.builder.anchor(), "device")


def _declared(dtype: Any) -> torch.dtype | None:
    return None if dtype is None else TORCH_TYPES.get(onnx_type(dtype))
