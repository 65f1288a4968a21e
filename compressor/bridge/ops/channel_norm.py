"""Normalisation by channel: InstanceNormalization, GroupNormalization, MeanVariance, LRN, LpNormalization."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext


@LOWERINGS.register("InstanceNormalization")
def instance_norm(ctx: LowerContext) -> Any:
    """The native function: that of nn.functional refuses a single element where ONNX does not."""
    x, scale, bias = ctx.tensors()
    return ctx.call(
        torch.instance_norm, x, scale, bias, None, None, True, 0.0, ctx.attr("epsilon", 1e-5), True
    )  # fmt: skip


@LOWERINGS.register("GroupNormalization")
def group_norm(ctx: LowerContext) -> Any:
    """Scale and bias are per group before opset 21, per channel since."""
    x, scale, bias = ctx.tensors()
    groups, eps = ctx.attr("num_groups"), ctx.attr("epsilon", 1e-5)
    if ctx.opset < 21:
        return ctx.call(group_norm_scaled_by_group, x, groups, scale, bias, eps)
    return ctx.call(F.group_norm, x, groups, scale, bias, eps)


def group_norm_scaled_by_group(x: Tensor, groups: int, scale: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Each group's number, repeated for its channels."""
    size = x.shape[1] // groups
    return F.group_norm(x, groups, scale.repeat_interleave(size), bias.repeat_interleave(size), eps)


@LOWERINGS.register("MeanVarianceNormalization")
def mean_variance(ctx: LowerContext) -> Any:
    """Mean 0 and variance 1 over the given axes."""
    return ctx.call(standardize, ctx.tensor(0), tuple(ctx.attr("axes", (0, 2, 3))))


def standardize(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """The small number is that of the function in ONNX's definition."""
    variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    return (x - mean) / (variance.sqrt() + 1e-9)


@LOWERINGS.register("LRN")
def local_response(ctx: LowerContext) -> Any:
    """Across channels; of an even number of them ONNX takes more after, PyTorch more before."""
    beta, bias = ctx.attr("beta", 0.75), ctx.attr("bias", 1.0)
    return ctx.call(local_response_norm, ctx.tensor(0), ctx.attr("size"), ctx.attr("alpha", 1e-4), beta, bias)


def local_response_norm(x: Tensor, size: int, alpha: float, beta: float, bias: float) -> Tensor:
    """x / (bias + alpha/size sum of squares over ``size`` channels)^beta."""
    before, after = (size - 1) // 2, size // 2
    squares = F.pad(x.square().flatten(2), (0, 0, before, after)).unsqueeze(1)
    means = F.avg_pool2d(squares, (size, 1), stride=1).squeeze(1).view(x.shape)
    return x / (bias + alpha * means) ** beta


@LOWERINGS.register("LpNormalization")
def lp_normalization(ctx: LowerContext) -> Any:
    """Divided by the p-norm along one axis; zeros stay zero."""
    return ctx.call(lp_normalize, ctx.tensor(0), ctx.attr("p", 2), ctx.attr("axis", -1))


def lp_normalize(x: Tensor, p: int, axis: int) -> Tensor:
    """x / norm, or 0 where the norm is 0."""
    norm: Tensor = torch.linalg.vector_norm(x, p, axis, keepdim=True)
    return x / norm.masked_fill(norm == 0, 1)
