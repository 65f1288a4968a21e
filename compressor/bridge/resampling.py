"""Resize axis by axis, exactly as ONNX defines it: source coordinates, neighbours and their weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def source_coordinates(
    size: int, scale: float, out: int, mode: str, window: tuple[float, float], device: torch.device
) -> Tensor:
    """Where along an axis of ``size`` each of ``out`` results lies, float32 [out]; ONNX Runtime counts so: ties differ.

    Args:
        scale: of the axis; ``out`` is about ``scale * size``.
        mode: ONNX's coordinate_transformation_mode.
        window: of tf_crop_and_resize: start and end, as shares of the axis.
    """
    x = torch.arange(out, dtype=torch.float32, device=device)
    length = scale * size
    if mode == "align_corners":
        return x * (size - 1) / (length - 1) if length != 1 else x * 0
    if mode == "asymmetric":
        return x / scale
    if mode == "tf_crop_and_resize":
        start, end = window
        step = (size - 1) * (end - start)
        return start * (size - 1) + (x * step / (length - 1) if length != 1 else x + step / 2)
    if mode == "pytorch_half_pixel" and out == 1:
        return x
    if mode == "tf_half_pixel_for_nn":  # until opset 12
        return (x + 0.5) / scale
    half = (x + 0.5) / scale - 0.5
    if mode == "half_pixel_symmetric":
        return half + size / 2 * (1 - out / length)
    return half


def nearest(x: Tensor, mode: str) -> Tensor:
    """Whole coordinates by ONNX's nearest_mode; ``simple_floor`` and ``simple_ceil`` as before opset 11."""
    if mode == "round_prefer_floor":
        return torch.ceil(x - 0.5)
    if mode == "round_prefer_ceil":
        return torch.floor(x + 0.5)
    return torch.ceil(x) if mode == "ceil" else torch.floor(x)


def _triangle(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def _cubic(x: Tensor, a: float) -> Tensor:
    x = x.abs()
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return torch.where(x <= 1, inner, torch.where(x < 2, outer, torch.zeros_like(x)))


def neighbours(
    x: Tensor, size: int, scale: float, cubic: float | None, antialias: bool, exclude_outside: bool
) -> tuple[Tensor, Tensor]:
    """Indices and weights, [out, taps] each, of linear or, with its coefficient, cubic interpolation."""
    reach = 1 if cubic is None else 2
    squeeze = min(scale, 1.0) if antialias else 1.0  # a smaller picture takes in more of the source
    first = math.floor(-reach / squeeze) + 1
    taps = torch.arange(first, 2 - first, dtype=x.dtype, device=x.device)
    base = torch.floor(x)
    distances = (taps - (x - base).unsqueeze(1)) * squeeze
    weights = _triangle(distances) if cubic is None else _cubic(distances, cubic)
    if antialias:
        weights = weights / weights.sum(1, keepdim=True)
    indices = base.unsqueeze(1) + taps
    if exclude_outside:
        weights = weights * ((indices >= 0) & (indices < size))
        weights = weights / weights.sum(1, keepdim=True)
    return indices.clamp(0, size - 1).long(), weights


def resize_axis(
    x: Tensor, axis: int, scale: float, out: int, window: tuple[float, float], mode: str, coordinate_mode: str,
    nearest_mode: str, cubic: float, exclude_outside: bool, antialias: bool, extrapolation: float,
) -> Tensor:  # fmt: skip
    """``x`` with ``axis`` resized to ``out``; attributes as ONNX names them."""
    size = x.shape[axis]
    places = source_coordinates(size, scale, out, coordinate_mode, window, x.device)
    if mode == "nearest":
        result = x.index_select(axis, nearest(places, nearest_mode).clamp(0, size - 1).long())
    else:
        a = cubic if mode == "cubic" else None
        result = _weighted(x, axis, *neighbours(places, size, scale, a, antialias, exclude_outside))
    if coordinate_mode == "tf_crop_and_resize":
        outside = ((places < 0) | (places > size - 1)).view(-1, *[1] * (x.ndim - 1 - axis))
        result = result.masked_fill(outside, extrapolation)
    return result


def _weighted(x: Tensor, axis: int, indices: Tensor, weights: Tensor) -> Tensor:
    """Sums of slices of ``x`` along ``axis``."""
    total = torch.zeros((), dtype=x.dtype, device=x.device)
    trailing = [1] * (x.ndim - 1 - axis)
    for tap in range(indices.shape[1]):
        part = x.index_select(axis, indices[:, tap])
        total = total + part * weights[:, tap].to(x.dtype).view(-1, *trailing)
    return total
