"""CenterCropPad and ReverseSequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.padding import torch_order


def center_crop_pad(x: Tensor, sizes: Sequence[int], axes: Sequence[int] | None) -> Tensor:
    """``sizes`` along ``axes``: cut off, or zeros added, evenly on both sides; what is odd goes after."""
    pairs = [(0, 0)] * x.ndim
    for axis, size in zip(range(x.ndim) if axes is None else axes, sizes, strict=True):
        missing = size - x.shape[axis]
        before = missing // 2 if missing > 0 else -(-missing // 2)
        pairs[axis] = (before, missing - before)
    return F.pad(x, torch_order(pairs))


def reverse_sequence(x: Tensor, lengths: Tensor, batch_axis: int, time_axis: int) -> Tensor:
    """For each member of the batch, its first ``lengths`` elements in opposite order and the others as they are."""
    moved = x.movedim((batch_axis, time_axis), (0, 1))
    time = torch.arange(moved.shape[1], device=x.device)
    length = lengths.to(torch.int64)[:, None]
    source = torch.where(time < length, length - 1 - time, time)
    member = torch.arange(moved.shape[0], device=x.device)[:, None]
    return moved[member, source].movedim((0, 1), (batch_axis, time_axis))


@LOWERINGS.register("CenterCropPad")
def _center_crop_pad(ctx: LowerContext) -> Any:
    return ctx.call(center_crop_pad, ctx.tensor(0), ctx.host(1), ctx.attr("axes"))


@LOWERINGS.register("ReverseSequence")
def _reverse_sequence(ctx: LowerContext) -> Any:
    axes = ctx.attr("batch_axis", 1), ctx.attr("time_axis", 0)
    return ctx.call(reverse_sequence, ctx.tensor(0), ctx.tensor(1), *axes)
