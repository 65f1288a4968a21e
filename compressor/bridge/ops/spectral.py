"""DFT, STFT, windows and MelWeightMatrix. Complex numbers have a last axis of size 2."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, fx

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.element_types import device, run_time_type
from compressor.bridge.tensor_types import torch_type


def _number(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value


def _host_number(ctx: LowerContext, slot: int) -> Any:
    """A single number at run time or before; None where not given."""
    return ctx.host_call(_number, ctx.host(slot)) if ctx.has(slot) else None


def transform(x: Tensor, length: int | None, axis: int, inverse: bool, onesided: bool) -> Tensor:
    """Fourier transform along ``axis`` of ``x``, whose last axis holds real, or real and imaginary parts."""
    signal = torch.view_as_complex(x.contiguous()) if x.shape[-1] == 2 else x.squeeze(-1)
    dim = axis if axis >= 0 else axis + x.ndim
    if inverse and onesided:
        real: Tensor = torch.fft.irfft(signal, length, dim)
        return real.unsqueeze(-1)
    if inverse:
        return torch.view_as_real(torch.fft.ifft(signal, length, dim))
    if onesided and not signal.is_complex():
        return torch.view_as_real(torch.fft.rfft(signal, length, dim))
    result = torch.fft.fft(signal, length, dim)
    return torch.view_as_real(result.narrow(dim, 0, result.shape[dim] // 2 + 1) if onesided else result)


@LOWERINGS.register("DFT")
def dft(ctx: LowerContext) -> Any:
    """The axis is an attribute before opset 20."""
    axis = ctx.attr("axis", 1)
    if ctx.opset >= 20:
        axis = _host_number(ctx, 2) if ctx.has(2) else -2
    inverse, onesided = bool(ctx.attr("inverse", 0)), bool(ctx.attr("onesided", 0))
    return ctx.call(transform, ctx.tensor(0), _host_number(ctx, 1), axis, inverse, onesided)


def short_time(x: Tensor, step: int, window: Tensor | None, length: int | None, onesided: bool) -> Tensor:
    """Transforms of frames: [batch, time, 1 or 2] as [batch, frames, frequencies, 2]."""
    size = length or (x.shape[1] if window is None else window.shape[0])
    frames = x.unfold(1, size, step).transpose(2, 3)
    if window is not None:
        frames = frames * window.view(-1, 1)
    return transform(frames, size, 2, False, onesided)


@LOWERINGS.register("STFT")
def stft(ctx: LowerContext) -> Any:
    """Step and length of frames may be known at run time only."""
    step, length = _host_number(ctx, 1), _host_number(ctx, 3)
    return ctx.call(short_time, ctx.tensor(0), step, ctx.maybe(2), length, bool(ctx.attr("onesided", 1)))


_COSINES = {  # coefficients of 1, cos and cos of twice the angle
    "HannWindow": (0.5, -0.5, 0.0),
    "HammingWindow": (25 / 46, -21 / 46, 0.0),
    "BlackmanWindow": (0.42, -0.5, 0.08),
}


def cosine_window(op: str, size: int, periodic: bool, dtype: torch.dtype, where: torch.device | None) -> Tensor:
    """One of the windows made of cosines."""
    period = size if periodic else size - 1
    angle = torch.arange(size, dtype=torch.float64, device=where) * (2 * math.pi / max(period, 1))
    constant, first, second = _COSINES[op]
    return (constant + first * torch.cos(angle) + second * torch.cos(2 * angle)).to(dtype)


def _output_type(ctx: LowerContext, *values: Any) -> Any:
    """The type asked for; made at run time, it follows ``module.to(dtype)`` as constants do."""
    asked = torch_type(ctx.attr("output_datatype", 1), f"node {ctx.node.name!r} ({ctx.node.op})")
    return run_time_type(ctx, asked) if any(isinstance(value, fx.Node) for value in values) else asked


def _device(ctx: LowerContext, *values: Any) -> Any:
    """Where to make a tensor from nothing: the module's device, or at conversion the CPU."""
    return device(ctx) if any(isinstance(value, fx.Node) for value in values) else None


@LOWERINGS.register(*_COSINES)
def window(ctx: LowerContext) -> Any:
    """Mostly of a constant size."""
    size, periodic = _host_number(ctx, 0), bool(ctx.attr("periodic", 1))
    return ctx.call(cosine_window, ctx.node.op, size, periodic, _output_type(ctx, size), _device(ctx, size))


def mel_weights(
    bins: int, length: int, rate: int, lowest: float, highest: float, dtype: torch.dtype, where: torch.device | None
) -> Tensor:
    """Triangles on the mel scale: [length / 2 + 1, bins]."""
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (lowest, highest))
    mels = torch.arange(bins + 2, dtype=torch.float64, device=where) * ((high - low) / (bins + 2)) + low
    edges = torch.floor((length + 1) * 700 * (10 ** (mels / 2595) - 1) / rate)
    left, center, right = edges[:-2], edges[1:-1], edges[2:]
    j = torch.arange(length // 2 + 1, dtype=torch.float64, device=where).unsqueeze(1)
    rising = torch.where(center > left, (j - left) / (center - left).clamp(min=1), (j == center).double())
    falling = (right - j) / (right - center).clamp(min=1)
    weights = torch.where(j <= center, rising, falling)
    return weights.masked_fill((j < left) | ((j >= right) & (j != center)), 0).to(dtype)


@LOWERINGS.register("MelWeightMatrix")
def mel_weight_matrix(ctx: LowerContext) -> Any:
    """Five numbers make it."""
    numbers = [_host_number(ctx, slot) for slot in range(5)]
    return ctx.call(mel_weights, *numbers, _output_type(ctx, *numbers), _device(ctx, *numbers))
