"""Dropout: drops while the module trains; where the graph itself says training, always."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext


@LOWERINGS.register("Dropout")
def dropout(ctx: LowerContext) -> Any:
    """The ratio is an attribute before opset 12."""
    x = ctx.tensor(0)
    ratio = ctx.attr("ratio", 0.5)
    if ctx.opset >= 12:
        ratio = ctx.host(1) if ctx.has(1) else 0.5
    asked = ctx.host(2) if ctx.has(2) else False
    training = ctx.training() if asked is False else asked
    if ctx.wants(1):
        return ctx.outputs(dropout_with_mask, 2, x, ratio, training)
    return ctx.call(F.dropout, x, ratio, training=training)


def dropout_with_mask(x: Tensor, ratio: float, training: bool) -> tuple[Tensor, Tensor]:
    """The result, and which elements were kept."""
    if not training or ratio == 0:
        return x, torch.ones_like(x, dtype=torch.bool)
    kept = torch.rand_like(x, dtype=torch.float32) >= ratio
    return x * kept / (1 - ratio), kept
