"""Resize and Upsample: PyTorch's interpolation where both mean the same, else axis by axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.resampling import resize_axis

_aten = torch.ops.aten
_NATIVE: dict[tuple[str, int], Callable[..., Tensor]] = {
    ("nearest", 1): _aten.upsample_nearest1d.default,
    ("nearest", 2): _aten.upsample_nearest2d.default,
    ("nearest", 3): _aten.upsample_nearest3d.default,
    ("linear", 1): _aten.upsample_linear1d.default,
    ("linear", 2): _aten.upsample_bilinear2d.default,
    ("linear", 3): _aten.upsample_trilinear3d.default,
    ("cubic", 2): _aten.upsample_bicubic2d.default,
}
_HALF_PIXEL = ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric")
_TORCH_CUBIC = -0.75
_ROUNDS = ("round_prefer_floor", "round_prefer_ceil")


@LOWERINGS.register("Upsample")
def upsample(ctx: LowerContext) -> Any:
    """What Resize was before opset 10: asymmetric, rounding down."""
    scales = ctx.host(1) if ctx.count() > 1 else tuple(ctx.attr("scales"))
    return _lower(ctx, scales, None, None, "asymmetric", "floor")


@LOWERINGS.register("Resize")
def lower_resize(ctx: LowerContext) -> Any:
    """Scales or sizes, at conversion or at run time."""
    if ctx.opset < 11:
        return _lower(ctx, ctx.host(1), None, None, "asymmetric", "simple")
    sizes, scales = (ctx.host(slot) if ctx.has(slot) else None for slot in (3, 2))
    sizes = None if sizes == [] else sizes  # before opset 13 neither could be left out
    scales = scales if sizes is None else None
    coordinate_mode = ctx.attr("coordinate_transformation_mode", "half_pixel")
    window = ctx.host(1) if ctx.has(1) and coordinate_mode == "tf_crop_and_resize" else None
    return _lower(ctx, scales, sizes, window, coordinate_mode, ctx.attr("nearest_mode", "round_prefer_floor"))


def _lower(ctx: LowerContext, scales: Any, sizes: Any, window: Any, coordinate_mode: str, nearest_mode: str) -> Any:
    mode = ctx.attr("mode", "nearest")
    axes = ctx.attr("axes")
    settings = (
        mode, coordinate_mode, nearest_mode, ctx.attr("cubic_coeff_a", _TORCH_CUBIC),
        bool(ctx.attr("exclude_outside", 0)), bool(ctx.attr("antialias", 0)), ctx.attr("extrapolation_value", 0.0),
    )  # fmt: skip
    if axes is None and isinstance(scales, (list, tuple)) and _is_native(settings, list(scales)):
        factors = [float(s) for s in scales[2:]]
        if all(f.is_integer() for f in factors):
            factors = [int(f) for f in factors]
        return ctx.call(interpolate, ctx.tensor(0), tuple(factors), mode, coordinate_mode == "align_corners")
    policy = ctx.attr("keep_aspect_ratio_policy", "stretch")
    return ctx.call(resize, ctx.tensor(0), scales, sizes, window, axes and tuple(axes), policy, *settings)


def _is_native(settings: tuple[Any, ...], scales: list[float], exact: bool = False) -> bool:
    """Whether PyTorch's interpolation means the same: for any size of input, or where sizes are ``exact`` multiples."""
    mode, coordinate_mode, nearest_mode, cubic, exclude_outside, antialias, _ = settings
    factors = scales[2:]
    if antialias or scales[:2] != [1, 1] or (mode, len(factors)) not in _NATIVE:
        return False
    # Whole factors leave no result halfway between two sources, and never a single one unless the source is.
    whole = all(f >= 1 and float(f).is_integer() for f in factors)
    if mode == "nearest":
        floor = coordinate_mode == "asymmetric" and nearest_mode in ("floor", "simple")
        middle = coordinate_mode in _HALF_PIXEL and nearest_mode in _ROUNDS
        return (floor and (whole or nearest_mode == "floor")) or (middle and whole)
    if mode == "cubic" and (exclude_outside or cubic != _TORCH_CUBIC):
        return False
    return coordinate_mode == "half_pixel" or ((whole or exact) and coordinate_mode in (*_HALF_PIXEL, "align_corners"))


def output_size(size: int, scale: float) -> int:
    """floor(size * scale) in float32, as ONNX Runtime computes it: 10 * 0.7 is 7."""
    return size * scale if isinstance(scale, int) else math.floor(float(np.float32(size) * np.float32(scale)))


def interpolate(x: Tensor, factors: tuple[float, ...], mode: str, align_corners: bool) -> Tensor:
    """PyTorch's interpolation of the spatial axes."""
    sizes = [output_size(size, factor) for size, factor in zip(x.shape[2:], factors, strict=True)]
    flags = () if mode == "nearest" else (align_corners,)
    scales = (None,) * len(factors) if align_corners else factors
    kernel = _NATIVE[mode, len(factors)]
    if mode == "nearest" and not x.is_floating_point():  # it has none for whole numbers, but moves any 64 bits
        return kernel(x.long().view(torch.float64), sizes, *flags, *scales).view(torch.int64).to(x.dtype)
    return kernel(x, sizes, *flags, *scales)


def resize(
    x: Tensor, scales: Sequence[float] | None, sizes: Sequence[int] | None, window: Sequence[float] | None,
    axes: tuple[int, ...] | None, policy: str, *settings: Any,
) -> Tensor:  # fmt: skip
    """Every axis as its scale or size says; ``settings`` from ``mode`` on as ``resize_axis`` takes them."""
    chosen = [axis % x.ndim for axis in axes] if axes is not None else list(range(x.ndim))
    inputs = [x.shape[axis] for axis in chosen]
    if sizes is not None:
        factors, outs = _fitted(inputs, sizes, policy)
    else:
        factors = [float(scale) for scale in scales or ()]
        outs = [output_size(size, factor) for size, factor in zip(inputs, factors, strict=True)]
        if _is_native(settings, factors) and axes is None:
            return interpolate(x, tuple(factors[2:]), settings[0], settings[1] == "align_corners")
    if sizes is not None and outs[:2] == inputs[:2] and axes is None and _native_for_sizes(settings, x, outs):
        flags = () if settings[0] == "nearest" else (settings[1] == "align_corners",)
        return _NATIVE[settings[0], x.ndim - 2](x, outs[2:], *flags, *[None] * (x.ndim - 2))
    count = len(chosen)
    work = x if settings[0] == "nearest" or x.dtype == torch.float64 else x.float()
    for i, (axis, factor, out) in enumerate(zip(chosen, factors, outs, strict=True)):
        part = (window[i], window[count + i]) if window is not None else (0.0, 1.0)
        if factor != 1 or out != x.shape[axis] or window is not None:
            work = resize_axis(work, axis, factor, out, part, settings[0], settings[1], *_rounding(settings, factor))
    return work.to(x.dtype)


def _fitted(inputs: list[int], sizes: Sequence[int], policy: str) -> tuple[list[float], list[int]]:
    """Scales and sizes that keep the aspect ratio, if the policy asks for it."""
    factors = [size / source for size, source in zip(sizes, inputs, strict=True)]
    if policy == "stretch":
        return factors, list(sizes)
    factor = min(factors) if policy == "not_larger" else max(factors)
    return [factor] * len(factors), [math.floor(factor * source + 0.5) for source in inputs]


def _native_for_sizes(settings: tuple[Any, ...], x: Tensor, outs: list[int]) -> bool:
    factors = [out / size for out, size in zip(outs, x.shape, strict=True)]
    single = settings[1] == "pytorch_half_pixel" and 1 in outs[2:]
    return x.is_floating_point() and not single and _is_native(settings, factors, exact=True)


def _rounding(settings: tuple[Any, ...], factor: float) -> tuple[Any, ...]:
    """Settings from ``nearest_mode`` on; before opset 11 smaller pictures rounded up."""
    nearest_mode = settings[2]
    if nearest_mode == "simple":
        nearest_mode = "ceil" if factor < 1 else "floor"
    return (nearest_mode, *settings[3:])
