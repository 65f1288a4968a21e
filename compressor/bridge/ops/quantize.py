"""QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear.

A DequantizeLinear right after a QuantizeLinear becomes one call whose gradient passes the rounding by.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.quantization import dequantize, quantize, quantize_dequantize
from compressor.bridge.tensor_types import torch_type

_MS = "com.microsoft::"


def _type(ctx: LowerContext, attribute: str) -> torch.dtype | None:
    kind = ctx.attr(attribute, 0)
    return torch_type(kind, f"node {ctx.node.name!r} ({ctx.node.op})") if kind else None


@LOWERINGS.register("QuantizeLinear", _MS + "QuantizeLinear")
def quantize_linear(ctx: LowerContext) -> Any:
    """Whole numbers; of these no gradient is defined."""
    return ctx.call(
        quantize, ctx.tensor(0), ctx.tensor(1), ctx.maybe(2), _type(ctx, "output_dtype"), ctx.attr("axis", 1),
        ctx.attr("block_size", 0), bool(ctx.attr("saturate", 1)), _type(ctx, "precision"),
    )  # fmt: skip


@LOWERINGS.register("DequantizeLinear", _MS + "DequantizeLinear")
def dequantize_linear(ctx: LowerContext) -> Any:
    """Joined with the QuantizeLinear before it, if there is one."""
    x = ctx.tensor(0)
    rest = (ctx.tensor(1), ctx.maybe(2), ctx.attr("axis", 1), ctx.attr("block_size", 0), _type(ctx, "output_dtype"))
    if isinstance(x, fx.Node) and x.target is quantize:
        return ctx.call(quantize_dequantize, *x.args, *rest)
    return ctx.call(dequantize, x, *rest)


@LOWERINGS.register("DynamicQuantizeLinear")
def dynamic_quantize_linear(ctx: LowerContext) -> Any:
    """To uint8, by the range of the numbers at hand."""
    return ctx.outputs(dynamic_quantize, 3, ctx.tensor(0))


def dynamic_quantize(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Whole numbers, their scale and their zero point; the range always includes zero."""
    low, high = x.amin().clamp(max=0), x.amax().clamp(min=0)
    scale = (high - low) / 255
    # All zeros: any scale will do.
    step = torch.where(scale == 0, torch.ones_like(scale), scale)
    zero = torch.round(-low / step).clamp(0, 255).to(torch.uint8)
    return quantize(x, step, zero, torch.uint8, 0, 0, True, None), scale, zero
