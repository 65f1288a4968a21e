"""Conv and com.microsoft's FusedConv."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.known_shapes import known_shape
from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.activations import hard_sigmoid
from compressor.bridge.windows import Windows, pad_same, read_windows, torch_pads

_CONVOLUTIONS: dict[int, Callable[..., Tensor]] = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}


@LOWERINGS.register("Conv")
def conv(ctx: LowerContext) -> Any:
    """One call of the convolution of that many axes; uneven padding goes before it."""
    return convolve(ctx, ctx.tensor(0), ctx.tensor(1), ctx.maybe(2), weight_slot=1)


def convolve(ctx: LowerContext, x: Any, weight: Any, bias: Any, weight_slot: int) -> Any:
    """A convolution with the node's attributes."""
    shape = known_shape(ctx, weight_slot)
    kernel = ctx.attr("kernel_shape") or (shape[2:] if shape else None)
    if kernel is None:
        return ctx.call(conv_of_unknown_kernel, x, weight, bias, *plain_attributes(ctx))
    windows = read_windows(ctx, kernel)
    function = _CONVOLUTIONS.get(windows.axes)
    if function is None:
        raise ctx.error(f"PyTorch has no convolution over {windows.axes} axes")
    x, padding = pad_before(ctx, x, windows)
    return ctx.call(function, x, weight, bias, windows.strides, padding, windows.dilations, ctx.attr("group", 1))


def pad_before(ctx: LowerContext, x: Any, windows: Windows, value: float = 0.0) -> tuple[Any, tuple[int, ...]]:
    """The input, padded where the op's own padding cannot do it, and the padding left for the op."""
    none = (0,) * windows.axes
    if windows.begins is None or windows.ends is None:
        w = windows
        return ctx.call(pad_same, x, w.auto_pad, w.kernel, w.strides, w.dilations, value), none
    if windows.symmetric():
        return x, windows.begins
    return ctx.call(F.pad, x, torch_pads(windows.begins, windows.ends), value=value), none


def plain_attributes(ctx: LowerContext) -> tuple[Any, ...]:
    """Strides, pads, dilations (None where not given), group and auto_pad, as ``conv_of_unknown_kernel`` takes them."""

    def sizes(name: str) -> tuple[int, ...] | None:
        return tuple(ctx.attr(name)) if ctx.attr(name) else None

    return sizes("strides"), sizes("pads"), sizes("dilations"), ctx.attr("group", 1), ctx.attr("auto_pad", "NOTSET")


def conv_of_unknown_kernel(
    x: Tensor, weight: Tensor, bias: Tensor | None, strides: Any, pads: Any, dilations: Any, group: int, auto_pad: str
) -> Tensor:
    """A convolution whose kernel is computed, so that its shape is known at run time only."""
    axes = weight.ndim - 2
    strides, dilations = strides or (1,) * axes, dilations or (1,) * axes
    if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        x = pad_same(x, auto_pad, tuple(weight.shape[2:]), strides, dilations)
    elif pads and auto_pad == "NOTSET":
        x = F.pad(x, torch_pads(pads[:axes], pads[axes:]))
    none = [0] * axes
    return torch.convolution(x, weight, bias, strides, none, dilations, False, none, group)


_FUSED: dict[str, Callable[..., Tensor]] = {
    "Relu": torch.relu,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
    "LeakyRelu": F.leaky_relu,
    "Clip": torch.clamp,
    "HardSigmoid": hard_sigmoid,
}


def fused_activation(ctx: LowerContext, value: Any) -> Any:
    """The activation that ONNX Runtime fused into a Conv or Gemm."""
    name = ctx.attr("activation", "")
    if not name:
        return value
    if name not in _FUSED:
        raise ctx.error(f"the fused activation {name!r} has no lowering")
    # FusedConv lists its parameters, FusedGemm names them.
    named = [ctx.attr(f"activation_{n}") for n in ("alpha", "beta")]
    return ctx.call(_FUSED[name], value, *(ctx.attr("activation_params") or [n for n in named if n is not None]))


@LOWERINGS.register("com.microsoft::FusedConv")
def fused_conv(ctx: LowerContext) -> Any:
    """Conv, a sum with input 3, an activation."""
    result = conv(ctx)
    if ctx.has(3):
        result = ctx.call(torch.add, result, ctx.tensor(3))
    return fused_activation(ctx, result)
