"""Products of quantised numbers. They are summed in float64, where sums of 8-bit products are exact."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.conv import conv_of_unknown_kernel, plain_attributes
from compressor.bridge.quantization import quantized


def shifted(x: Tensor, zero: Tensor | None, axis: int | None = None) -> Tensor:
    """x - zero in float64; a vector of zero points runs along ``axis`` of ``x``, counted from the end."""
    if zero is None:
        return x.double()
    if axis is not None and zero.ndim == 1 and zero.numel() > 1:
        zero = zero.view(-1, *[1] * (-1 - axis))
    return x.double() - zero.double()


def matmul_integer(a: Tensor, b: Tensor, a_zero: Tensor | None, b_zero: Tensor | None) -> Tensor:
    """int32 products; zero points are of the tensor, of rows of ``a`` or of columns of ``b``."""
    return (shifted(a, a_zero, -2) @ shifted(b, b_zero, -1)).to(torch.int32)


@LOWERINGS.register("MatMulInteger")
def lower_matmul_integer(ctx: LowerContext) -> Any:
    """Exact whole numbers."""
    return ctx.call(matmul_integer, ctx.tensor(0), ctx.tensor(1), ctx.maybe(2), ctx.maybe(3))


def qlinear_matmul(
    a: Tensor, a_scale: Tensor, a_zero: Tensor, b: Tensor, b_scale: Tensor, b_zero: Tensor, scale: Tensor, zero: Tensor
) -> Tensor:
    """A product of quantised matrices, quantised again."""
    product = shifted(a, a_zero, -2) @ shifted(b, b_zero, -1)
    rows = a_scale.double().view(-1, 1) if a_scale.numel() > 1 else a_scale.double()
    return requantized(product, rows * b_scale.double(), scale, zero)


def requantized(total: Tensor, factor: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """Sums times ``factor``, in units of ``scale``."""
    return quantized(total * factor, scale.double(), zero, zero.dtype, True, None)


@LOWERINGS.register("QLinearMatMul")
def lower_qlinear_matmul(ctx: LowerContext) -> Any:
    """Inputs in the order of the op."""
    return ctx.call(qlinear_matmul, *ctx.tensors())


def conv_integer(x: Tensor, weight: Tensor, x_zero: Tensor | None, w_zero: Tensor | None, *attributes: Any) -> Tensor:
    """int32 convolution; the weight's zero points may be one for each output channel. Padding is zero points."""
    shifted_weight = shifted(weight, w_zero, -weight.ndim)
    return conv_of_unknown_kernel(shifted(x, x_zero), shifted_weight, None, *attributes).to(torch.int32)


@LOWERINGS.register("ConvInteger")
def lower_conv_integer(ctx: LowerContext) -> Any:
    """Exact whole numbers."""
    return ctx.call(
        conv_integer, ctx.tensor(0), ctx.tensor(1), ctx.maybe(2), ctx.maybe(3), *plain_attributes(ctx)
    )  # fmt: skip


def qlinear_conv(
    x: Tensor, x_scale: Tensor, x_zero: Tensor, weight: Tensor, w_scale: Tensor, w_zero: Tensor, scale: Tensor,
    zero: Tensor, bias: Tensor | None, *attributes: Any,
) -> Tensor:  # fmt: skip
    """A convolution of quantised numbers, quantised again; the bias counts in units of both scales."""
    shifted_weight = shifted(weight, w_zero, -weight.ndim)
    whole_bias = None if bias is None else bias.double()
    total = conv_of_unknown_kernel(shifted(x, x_zero), shifted_weight, whole_bias, *attributes)
    by_channel = w_scale.double().view(-1, *[1] * (total.ndim - 2))
    return requantized(total, x_scale.double() * by_channel, scale, zero)


@LOWERINGS.register("QLinearConv")
def lower_qlinear_conv(ctx: LowerContext) -> Any:
    """Inputs in the order of the op."""
    return ctx.call(qlinear_conv, *[ctx.tensor(i) for i in range(8)], ctx.maybe(8), *plain_attributes(ctx))
