"""GridSample, AffineGrid and DeformConv: pictures read at computed places."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.windows import Sizes

_MODES = {"linear": "bilinear", "cubic": "bicubic"}  # what opset 20 calls them


@LOWERINGS.register("GridSample")
def grid_sample(ctx: LowerContext) -> Any:
    """ONNX took the op from PyTorch."""
    mode = ctx.attr("mode", "bilinear" if ctx.opset < 20 else "linear")
    return ctx.call(
        F.grid_sample, ctx.tensor(0), ctx.tensor(1), mode=_MODES.get(mode, mode),
        padding_mode=ctx.attr("padding_mode", "zeros"), align_corners=bool(ctx.attr("align_corners", 0)),
    )  # fmt: skip


@LOWERINGS.register("AffineGrid")
def affine_grid(ctx: LowerContext) -> Any:
    """ONNX took the op from PyTorch."""
    return ctx.call(F.affine_grid, ctx.tensor(0), ctx.host(1), align_corners=bool(ctx.attr("align_corners", 0)))


@LOWERINGS.register("DeformConv")
def lower_deform_conv(ctx: LowerContext) -> Any:
    """Over two axes, as the op is used."""
    strides, dilations = tuple(ctx.attr("strides", [1, 1])), tuple(ctx.attr("dilations", [1, 1]))
    pads = tuple(ctx.attr("pads", [0, 0, 0, 0]))
    if len(strides) != 2:
        raise ctx.error("a deformable convolution over other than two axes has no lowering")
    return ctx.call(
        deform_conv, ctx.tensor(0), ctx.tensor(1), ctx.tensor(2), ctx.maybe(3), ctx.maybe(4), strides, dilations, pads,
        ctx.attr("group", 1), ctx.attr("offset_group", 1),
    )  # fmt: skip


def deform_conv(
    x: Tensor, weight: Tensor, offset: Tensor, bias: Tensor | None, mask: Tensor | None, strides: Sizes,
    dilations: Sizes, pads: Sizes, group: int, offset_group: int,
) -> Tensor:  # fmt: skip
    """Every tap of the kernel reads ``x`` where its offset says, weighted by ``mask``, zero outside.

    ``offset``: [N, offset_group taps 2, out_h, out_w], rows first; ``mask``: [N, offset_group taps, out_h, out_w].
    """
    n, channels, height, width = x.shape
    taps_y, taps_x = weight.shape[2:]
    taps, (out_h, out_w) = taps_y * taps_x, offset.shape[2:]
    shifts = offset.view(n * offset_group, taps, 2, out_h, out_w)

    def along(axis: int, steps: int, kernel: Tensor) -> Tensor:
        starts = torch.arange(steps, dtype=x.dtype, device=x.device) * strides[axis] - pads[axis]
        return starts.view(*([1, -1, 1] if axis == 0 else [1, 1, -1])) + kernel.view(-1, 1, 1) * dilations[axis]

    tap = torch.arange(taps, device=x.device)
    rows = shifts[:, :, 0] + along(0, out_h, tap // taps_x)
    columns = shifts[:, :, 1] + along(1, out_w, tap % taps_x)
    grid = torch.stack(((2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1), -1)
    pictures = x.reshape(n * offset_group, channels // offset_group, height, width)
    read = F.grid_sample(pictures, grid.flatten(1, 2), align_corners=False)
    read = read.view(n, offset_group, -1, taps, out_h, out_w)
    if mask is not None:
        read = read * mask.view(n, offset_group, 1, taps, out_h, out_w)
    columns_of = read.reshape(n, group, -1, out_h * out_w)  # [N, group, channels of it and taps, places]
    result = weight.view(group, weight.shape[0] // group, -1) @ columns_of
    result = result.view(n, -1, out_h, out_w)
    return result if bias is None else result + bias.view(-1, 1, 1)
