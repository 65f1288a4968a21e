"""What is known of shapes at conversion: those of initializers and constants; declared ones are not relied on."""

from __future__ import annotations

import onnx_graphsurgeon as gs
import torch

from compressor.bridge.lowering import LowerContext


def known_shape(ctx: LowerContext, slot: int) -> tuple[int, ...] | None:
    """The shape of input ``slot``, or None where only the run will tell."""
    if not ctx.has(slot):
        return None
    tensor = ctx.node.inputs[slot]
    if isinstance(tensor, gs.Constant):
        return tuple(int(size) for size in tensor.shape)
    value = ctx.value(slot)
    return tuple(value.shape) if isinstance(value, torch.Tensor) else None


def known_rank(ctx: LowerContext, slot: int) -> int | None:
    """The number of axes of input ``slot``, or None where only the run will tell."""
    shape = known_shape(ctx, slot)
    return None if shape is None else len(shape)
