"""Matrix products: Gemm, MatMul, Einsum, Det and com.microsoft's fused forms."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.known_shapes import known_rank
from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.conv import fused_activation


@LOWERINGS.register("MatMul")
def matmul(ctx: LowerContext) -> Any:
    """Both follow NumPy."""
    return ctx.call(torch.matmul, ctx.tensor(0), ctx.tensor(1))


@LOWERINGS.register("Gemm")
def gemm(ctx: LowerContext) -> Any:
    """alpha A B + beta C; as a linear layer where it is one."""
    alpha, beta = ctx.attr("alpha", 1.0), ctx.attr("beta", 1.0)
    a, b = ctx.tensor(0), ctx.tensor(1)
    if ctx.attr("transA", 0):
        a = ctx.call(torch.t, a)
    bias = ctx.maybe(2) if beta else None
    if alpha == 1 and beta == 1 and ctx.attr("transB", 0) and (bias is None or known_rank(ctx, 2) == 1):
        return ctx.call(F.linear, a, b, bias)
    if ctx.attr("transB", 0):
        b = ctx.call(torch.t, b)
    if bias is None:
        product = ctx.call(torch.mm, a, b)
        return product if alpha == 1 else ctx.call(torch.mul, product, alpha)
    scales = {name: value for name, value in (("beta", beta), ("alpha", alpha)) if value != 1}
    return ctx.call(torch.addmm, bias, a, b, **scales)


@LOWERINGS.register("com.microsoft::FusedGemm")
def fused_gemm(ctx: LowerContext) -> Any:
    """Gemm and an activation."""
    return fused_activation(ctx, gemm(ctx))


@LOWERINGS.register("Einsum")
def einsum(ctx: LowerContext) -> Any:
    """The equation is written alike in both."""
    return ctx.call(torch.einsum, ctx.attr("equation").replace(" ", ""), *ctx.tensors())


@LOWERINGS.register("Det")
def det(ctx: LowerContext) -> Any:
    """Determinants of the last two axes."""
    return ctx.call(torch.linalg.det, ctx.tensor(0))


@LOWERINGS.register("com.microsoft::FusedMatMul", "com.microsoft::TransposeMatMul")
def fused_matmul(ctx: LowerContext) -> Any:
    """alpha A B, with the last two axes of either exchanged, or the batch axes moved (``transBatch``)."""
    a = _arranged(ctx, ctx.tensor(0), "A")
    b = _arranged(ctx, ctx.tensor(1), "B")
    product = ctx.call(torch.matmul, a, b)
    alpha = ctx.attr("alpha", 1.0)
    return product if alpha == 1 else ctx.call(torch.mul, product, alpha)


def _arranged(ctx: LowerContext, value: Any, side: str) -> Any:
    if ctx.attr(f"transBatch{side}", 0):
        value = ctx.call(batch_axes_inside, value, bool(ctx.attr(f"trans{side}", 0)))
    elif ctx.attr(f"trans{side}", 0):
        value = ctx.call(swap_last_axes, value)
    return value


def swap_last_axes(x: Tensor) -> Tensor:
    """The transpose of matrices; a vector stays one."""
    return x.mT if x.ndim > 1 else x


def batch_axes_inside(x: Tensor, transposed: bool) -> Tensor:
    """[M, batch..., K] as [batch..., M, K], or as [batch..., K, M] where ``transposed``."""
    moved = x.movedim(0, -2)
    return moved.mT if transposed else moved
