"""DepthToSpace, SpaceToDepth and Col2Im: positions traded for channels and back."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.windows import Sizes


def depth_to_space(x: Tensor, block: int) -> Tensor:
    """[N, block^2 C, H, W] as [N, C, block H, block W]; the blocks come first in the channels."""
    n, _, height, width = x.shape
    blocks = x.reshape(n, block, block, -1, height, width)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(n, -1, height * block, width * block)


def space_to_depth(x: Tensor, block: int) -> Tensor:
    """[N, C, H, W] as [N, block^2 C, H / block, W / block]; the blocks come first in the channels."""
    n, channels, height, width = x.shape
    split = x.reshape(n, channels, height // block, block, width // block, block)
    return split.permute(0, 3, 5, 1, 2, 4).reshape(n, -1, height // block, width // block)


@LOWERINGS.register("DepthToSpace")
def lower_depth_to_space(ctx: LowerContext) -> Any:
    """The mode CRD is what PyTorch calls a pixel shuffle."""
    if ctx.attr("mode", "DCR") == "CRD":
        return ctx.call(torch.pixel_shuffle, ctx.tensor(0), ctx.attr("blocksize"))
    return ctx.call(depth_to_space, ctx.tensor(0), ctx.attr("blocksize"))


@LOWERINGS.register("SpaceToDepth")
def lower_space_to_depth(ctx: LowerContext) -> Any:
    """The inverse of DepthToSpace in the same mode."""
    if ctx.attr("mode", "DCR") == "CRD":
        return ctx.call(torch.pixel_unshuffle, ctx.tensor(0), ctx.attr("blocksize"))
    return ctx.call(space_to_depth, ctx.tensor(0), ctx.attr("blocksize"))


@LOWERINGS.register("Col2Im")
def lower_col2im(ctx: LowerContext) -> Any:
    """Over any number of axes."""
    names = ("strides", "dilations", "pads")
    given = [None if ctx.attr(name) is None else tuple(ctx.attr(name)) for name in names]
    return ctx.call(col2im, ctx.tensor(0), ctx.host(1), ctx.host(2), *given)


def col2im(
    x: Tensor, image: list[int], block: list[int], strides: Sizes | None, dilations: Sizes | None, pads: Sizes | None
) -> Tensor:
    """Columns [N, C prod(block), L] summed into images [N, C, image...]."""
    axes = len(block)
    strides, dilations, pads = strides or (1,) * axes, dilations or (1,) * axes, pads or (0,) * (2 * axes)
    padded = [size + pads[i] + pads[axes + i] for i, size in enumerate(image)]
    place = torch.zeros(1, 1, dtype=torch.int64, device=x.device)
    for size, k, stride, dilation in zip(padded, block, strides, dilations, strict=True):
        steps = (size - dilation * (k - 1) - 1) // stride + 1
        taps = torch.arange(k, device=x.device) * dilation
        starts = torch.arange(steps, device=x.device) * stride
        along = taps.view(1, k, 1, 1) + starts.view(1, 1, 1, steps)
        place = (place.view(place.shape[0], 1, place.shape[1], 1) * size + along).reshape(
            place.shape[0] * k, place.shape[1] * steps
        )
    channels = x.shape[1] // math.prod(block)
    result = torch.zeros(x.shape[0], channels, math.prod(padded), dtype=x.dtype, device=x.device)
    result = result.index_add(2, place.reshape(-1), x.reshape(x.shape[0], channels, -1))
    result = result.view(x.shape[0], channels, *padded)
    for i, size in enumerate(image):
        result = result.narrow(2 + i, pads[i], size)
    return result
