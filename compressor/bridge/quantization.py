"""Arithmetic of quantised numbers; rounding lets gradients pass straight through, up to saturation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class _RoundStraight(torch.autograd.Function):
    """round(x) with the gradient of x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


def aligned(numbers: Tensor, x: Tensor, axis: int, block: int) -> Tensor:
    """Scales or zero points in a shape that broadcasts with ``x``: of the tensor, of each index, or of each block."""
    if block:
        return numbers.repeat_interleave(block, axis).narrow(axis, 0, x.shape[axis])
    if numbers.numel() == 1:
        return numbers.reshape(())
    if numbers.ndim == x.ndim:
        return numbers
    return numbers.view(*[-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])


def levels(
    x: Tensor, scale: Tensor, zero: Tensor | None, dtype: torch.dtype, precision: torch.dtype | None = None
) -> Tensor:
    """x / scale + zero, rounded and saturated as whole numbers of ``dtype`` are, but still floating point.

    ``scale`` and ``zero`` broadcast with ``x``.
    """
    if precision is None:
        divided = x / scale if x.is_floating_point() else x.to(scale.dtype) / scale
    else:
        divided = x.to(precision) / scale.to(precision)
    apply: Callable[[Tensor], Tensor] = _RoundStraight.apply
    rounded = apply(divided.float() if divided.itemsize < 4 else divided)
    if zero is not None:
        rounded = rounded + zero.to(rounded.dtype)
    info = torch.iinfo(dtype)
    return rounded.clamp(info.min, info.max)


def quantized(
    x: Tensor, scale: Tensor, zero: Tensor | None, dtype: torch.dtype, saturate: bool, precision: torch.dtype | None
) -> Tensor:
    """As ``levels``, in ``dtype``, which may be an 8-bit floating-point type too."""
    if not dtype.is_floating_point:
        return levels(x, scale, zero, dtype, precision).to(dtype)
    divided = (x / scale).float()
    if zero is not None:
        divided = divided + zero.float()
    if saturate:
        largest = torch.finfo(dtype).max
        divided = divided.clamp(-largest, largest)
    return divided.to(dtype)


def quantize(
    x: Tensor, scale: Tensor, zero: Tensor | None, dtype: torch.dtype | None, axis: int, block: int, saturate: bool,
    precision: torch.dtype | None,
) -> Tensor:  # fmt: skip
    """QuantizeLinear; ``dtype`` None is that of the zero point."""
    kind = dtype or (torch.uint8 if zero is None else zero.dtype)
    shaped = None if zero is None else aligned(zero, x, axis, block)
    return quantized(x, aligned(scale, x, axis, block), shaped, kind, saturate, precision)


def dequantize(
    x: Tensor, scale: Tensor, zero: Tensor | None, axis: int, block: int, dtype: torch.dtype | None
) -> Tensor:
    """DequantizeLinear: (x - zero) scale; ``dtype`` None is that of the scale."""
    kind = dtype or scale.dtype
    work = torch.float64 if kind == torch.float64 else torch.float32
    numbers = x.to(work)
    if zero is not None:
        numbers = numbers - aligned(zero, x, axis, block).to(work)
    return (numbers * aligned(scale, x, axis, block).to(work)).to(kind)


def quantize_dequantize(
    x: Tensor, scale: Tensor, zero: Tensor | None, dtype: torch.dtype | None, axis: int, block: int, saturate: bool,
    precision: torch.dtype | None, scale2: Tensor, zero2: Tensor | None, axis2: int, block2: int,
    dtype2: torch.dtype | None,
) -> Tensor:  # fmt: skip
    """``dequantize`` of ``quantize`` with a gradient: 1 where nothing saturates, 0 where it does."""
    kind = dtype or (torch.uint8 if zero is None else zero.dtype)
    if kind.is_floating_point:
        whole = quantize(x, scale, zero, dtype, axis, block, saturate, precision)
        return dequantize(whole, scale2, zero2, axis2, block2, dtype2)
    shaped = None if zero is None else aligned(zero, x, axis, block)
    middle = levels(x, aligned(scale, x, axis, block), shaped, kind, precision)
    return dequantize(middle, scale2, zero2, axis2, block2, dtype2)
