"""RoiAlign, MaxRoiPool and MaxUnpool."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.windows import Sizes


@LOWERINGS.register("RoiAlign")
def lower_roi_align(ctx: LowerContext) -> Any:
    """Before opset 16 coordinates are not shifted by half a pixel."""
    mode = ctx.attr("coordinate_transformation_mode", "half_pixel" if ctx.opset >= 16 else "output_half_pixel")
    return ctx.call(
        roi_align, ctx.tensor(0), ctx.tensor(1), ctx.tensor(2),
        (ctx.attr("output_height", 1), ctx.attr("output_width", 1)), ctx.attr("sampling_ratio", 0),
        ctx.attr("spatial_scale", 1.0), mode == "half_pixel", ctx.attr("mode", "avg"),
    )  # fmt: skip


def roi_align(
    x: Tensor, boxes: Tensor, batch: Tensor, out: tuple[int, int], ratio: int, scale: float, half_pixel: bool, mode: str
) -> Tensor:
    """Boxes [rois, 4] of ``x`` sampled to [rois, C, *out]; ``ratio`` 0 takes as many samples as a box has pixels."""
    corners = boxes.to(x.dtype) * scale - (0.5 if half_pixel else 0.0)
    starts, sizes = corners[:, [1, 0]], corners[:, [3, 2]] - corners[:, [1, 0]]
    if not half_pixel:
        sizes = sizes.clamp(min=1.0)
    bins = sizes / torch.tensor(out, dtype=x.dtype, device=x.device)
    if ratio > 0:
        return _sampled(x, batch.long(), starts, bins, out, (ratio, ratio), mode)
    grids = torch.ceil(bins).int().tolist()
    parts = [
        _sampled(x, batch[i : i + 1].long(), starts[i : i + 1], bins[i : i + 1], out, (grid[0], grid[1]), mode)
        for i, grid in enumerate(grids)
    ]
    return torch.cat(parts) if parts else x.new_zeros(0, x.shape[1], *out)


def _sampled(
    x: Tensor, batch: Tensor, starts: Tensor, bins: Tensor, out: tuple[int, int], grid: tuple[int, int], mode: str
) -> Tensor:
    """Samples of all boxes, ``grid`` of them for each result, which is their mean or largest weighted corner."""
    rois, channels = batch.shape[0], x.shape[1]
    if min(grid) <= 0:
        return x.new_zeros(rois, channels, *out)
    low_y, high_y, part_y, inside_y = _places(starts[:, 0], bins[:, 0], out[0], grid[0], x.shape[2])
    low_x, high_x, part_x, inside_x = _places(starts[:, 1], bins[:, 1], out[1], grid[1], x.shape[3])
    inside = inside_y.unsqueeze(2) & inside_x.unsqueeze(1)
    corners = []
    for row, share_y in ((low_y, 1 - part_y), (high_y, part_y)):
        for column, share_x in ((low_x, 1 - part_x), (high_x, part_x)):
            weight = share_y.unsqueeze(2) * share_x.unsqueeze(1) * inside
            values = x[batch.view(-1, 1, 1), :, row.unsqueeze(2), column.unsqueeze(1)]  # [rois, rows, columns, C]
            corners.append(values * weight.unsqueeze(3))
    stacked = torch.stack(corners)
    samples = stacked.sum(0) if mode == "avg" else stacked.amax(0)
    samples = samples.view(rois, out[0], grid[0], out[1], grid[1], channels)
    pooled = samples.mean((2, 4)) if mode == "avg" else samples.amax((2, 4))
    return pooled.permute(0, 3, 1, 2)


def _places(start: Tensor, step: Tensor, out: int, grid: int, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Both neighbours of each sample along one axis, the share of the second, and whether it lies inside."""
    index = (torch.arange(out * grid, dtype=start.dtype, device=start.device) + 0.5) / grid
    place = start.unsqueeze(1) + index * step.unsqueeze(1)
    inside = (place >= -1) & (place <= size)
    place = place.clamp(0, size - 1)
    low = place.floor()
    return low.long(), (low + 1).clamp(max=size - 1).long(), place - low, inside


@LOWERINGS.register("MaxRoiPool")
def lower_max_roi_pool(ctx: LowerContext) -> Any:
    """Maxima over whole pixels."""
    scale, out = ctx.attr("spatial_scale", 1.0), tuple(ctx.attr("pooled_shape"))
    return ctx.call(max_roi_pool, ctx.tensor(0), ctx.tensor(1), out, scale)


def max_roi_pool(x: Tensor, rois: Tensor, out: Sizes, scale: float) -> Tensor:
    """``rois``: [count, 5], picture and corners; what lies outside of the picture counts as nothing, empty bins 0."""
    parts = []
    for picture, *box in rois.tolist():
        left, top, right, bottom = (math.floor(c * scale + 0.5) for c in box)
        width, height = max(right - left + 1, 1), max(bottom - top + 1, 1)
        rows, columns = (slice(max(a, 0), max(a + n, 0)) for a, n in ((top, height), (left, width)))
        part = x[int(picture), :, rows, columns]
        above, before = min(max(-top, 0), height), min(max(-left, 0), width)
        rest = (before, width - before - part.shape[2], above, height - above - part.shape[1])
        pooled = F.adaptive_max_pool2d(F.pad(part, rest, value=-torch.inf), out)
        parts.append(pooled.masked_fill(pooled == -torch.inf, 0))
    return torch.stack(parts) if parts else x.new_zeros(0, x.shape[1], *out)


@LOWERINGS.register("MaxUnpool")
def lower_max_unpool(ctx: LowerContext) -> Any:
    """The inverse of MaxPool with indices."""
    kernel = tuple(ctx.attr("kernel_shape"))
    strides = tuple(ctx.attr("strides", [1] * len(kernel)))
    pads = tuple(ctx.attr("pads", [0] * (2 * len(kernel))))
    shape = ctx.host(2) if ctx.has(2) else None
    return ctx.call(max_unpool, ctx.tensor(0), ctx.tensor(1), shape, kernel, strides, pads)


def max_unpool(
    x: Tensor, indices: Tensor, shape: list[int] | None, kernel: Sizes, strides: Sizes, pads: Sizes
) -> Tensor:
    """Values at their indices, which count through the whole pooled tensor; it is made longer to ``shape``."""
    axes = len(kernel)
    sizes = [
        (size - 1) * s - pads[i] - pads[axes + i] + k
        for i, (size, s, k) in enumerate(zip(x.shape[2:], strides, kernel, strict=True))
    ]
    inferred = [*x.shape[:2], *sizes]
    flat = x.new_zeros(math.prod(inferred)).scatter(0, indices.reshape(-1), x.reshape(-1))
    result = flat.view(inferred)
    if shape is None:
        return result
    margins = [m for size, wanted in zip(reversed(inferred), reversed(shape), strict=True) for m in (0, wanted - size)]
    return F.pad(result, margins)
