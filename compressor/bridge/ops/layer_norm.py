"""Normalisation over the last axes: LayerNormalization, RMSNormalization and com.microsoft's fused forms."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.known_shapes import known_shape
from compressor.bridge.lowering import LOWERINGS, LowerContext

_EPSILON = 1e-5
_MS = "com.microsoft::"


@LOWERINGS.register("LayerNormalization", _MS + "LayerNormalization")
def layer_norm(ctx: LowerContext) -> Any:
    """One call of PyTorch's; the size comes from the scale where it has all axes."""
    x, scale, bias, eps = ctx.tensor(0), ctx.tensor(1), ctx.maybe(2), ctx.attr("epsilon", _EPSILON)
    axis = ctx.attr("axis", -1)
    if ctx.wants(1) or ctx.wants(2):
        return ctx.outputs(layer_norm_with_statistics, 3, x, axis, scale, bias, eps)
    sizes = known_shape(ctx, 1)
    if sizes is not None and axis == -len(sizes) and 1 not in sizes and _same_shape(ctx, 2, sizes):
        return ctx.call(F.layer_norm, x, sizes, scale, bias, eps)
    return ctx.call(layer_norm_from, x, axis, scale, bias, eps)


def _same_shape(ctx: LowerContext, slot: int, sizes: tuple[int, ...]) -> bool:
    return not ctx.has(slot) or known_shape(ctx, slot) == sizes


def layer_norm_from(x: Tensor, axis: int, scale: Tensor, bias: Tensor | None, eps: float) -> Tensor:
    """Over the axes from ``axis`` on; scale and bias broadcast."""
    sizes = x.shape[axis:]
    if scale.shape == sizes and (bias is None or bias.shape == sizes):
        return F.layer_norm(x, sizes, scale, bias, eps)
    return affine(F.layer_norm(x, sizes, None, None, eps), scale, bias)


def affine(x: Tensor, scale: Tensor | None, bias: Tensor | None) -> Tensor:
    """x scale + bias, either left out where None."""
    x = x if scale is None else x * scale
    return x if bias is None else x + bias


def layer_norm_with_statistics(
    x: Tensor, axis: int, scale: Tensor, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The result, the means and the inverse standard deviations; the latter two keep their axes as size 1."""
    result, mean, deviation = torch.native_layer_norm(x, x.shape[axis:], None, None, eps)
    return affine(result, scale, bias), mean.float(), deviation.float()


@LOWERINGS.register("RMSNormalization")
def rms_norm(ctx: LowerContext) -> Any:
    """Divided by the root of the mean square over the axes from ``axis`` on."""
    x, scale, eps, axis = ctx.tensor(0), ctx.tensor(1), ctx.attr("epsilon", _EPSILON), ctx.attr("axis", -1)
    sizes = known_shape(ctx, 1)
    if sizes is not None and axis == -len(sizes) and 1 not in sizes:
        return ctx.call(torch.rms_norm, x, sizes, scale, eps)
    return ctx.call(rms_norm_from, x, axis, scale, eps)


def rms_norm_from(x: Tensor, axis: int, scale: Tensor, eps: float) -> Tensor:
    """Over the axes from ``axis`` on; the scale broadcasts."""
    return torch.rms_norm(x, x.shape[axis:], None, eps) * scale


def simplified_norm_with_statistics(x: Tensor, axis: int, scale: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """RMS normalisation and the inverse root mean squares."""
    axes = list(range(axis % x.ndim, x.ndim))
    inverse = torch.rsqrt(x.float().square().mean(axes, keepdim=True) + eps)
    return (x.float() * inverse).to(x.dtype) * scale, inverse


@LOWERINGS.register("SimplifiedLayerNormalization", _MS + "SimplifiedLayerNormalization")
def simplified_norm(ctx: LowerContext) -> Any:
    """What ONNX Runtime called RMSNormalization before there was one."""
    if ctx.wants(1):
        axis, eps = ctx.attr("axis", -1), ctx.attr("epsilon", _EPSILON)
        return ctx.outputs(simplified_norm_with_statistics, 2, ctx.tensor(0), axis, ctx.tensor(1), eps)
    return rms_norm(ctx)


@LOWERINGS.register(_MS + "SkipLayerNormalization", _MS + "SkipSimplifiedLayerNormalization")
def skip_norm(ctx: LowerContext) -> Any:
    """input + skip + bias, normalised; the sum is the fourth output."""
    simplified = ctx.node.op == "SkipSimplifiedLayerNormalization"
    bias = 3 if simplified else 4
    total = ctx.call(torch.add, ctx.tensor(0), ctx.tensor(1))
    if ctx.has(bias):
        total = ctx.call(torch.add, total, ctx.tensor(bias))
    if ctx.wants(1) or ctx.wants(2):
        raise ctx.error("the mean and inverse deviation of a fused normalisation have no lowering")
    eps, scale = ctx.attr("epsilon", 1e-12), ctx.tensor(2)
    if simplified:
        normed = ctx.call(rms_norm_from, total, -1, scale, eps)
    else:
        normed = ctx.call(layer_norm_from, total, -1, scale, ctx.maybe(3), eps)
    return normed, None, None, total
