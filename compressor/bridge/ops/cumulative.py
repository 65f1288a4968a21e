"""CumSum and CumProd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.host_values import one


def cumulate(x: Tensor, axis: Any, exclusive: bool, reverse: bool, product: bool) -> Tensor:
    """Running sums or products along ``axis``; ``exclusive`` leaves each element's own number out."""
    axis = one(axis)
    x = x.flip(axis) if reverse else x
    function: Callable[..., Tensor] = torch.cumprod if product else torch.cumsum
    total = function(x, axis, dtype=None if x.is_floating_point() else x.dtype)
    if exclusive:
        first = torch.full_like(total.narrow(axis, 0, min(1, total.shape[axis])), int(product))
        total = torch.cat([first, total.narrow(axis, 0, max(total.shape[axis] - 1, 0))], axis)
    return total.flip(axis) if reverse else total


def _lower(ctx: LowerContext, product: bool) -> Any:
    exclusive, reverse = bool(ctx.attr("exclusive", 0)), bool(ctx.attr("reverse", 0))
    return ctx.call(cumulate, ctx.tensor(0), ctx.host(1), exclusive, reverse, product)


@LOWERINGS.register("CumSum")
def _cum_sum(ctx: LowerContext) -> Any:
    return _lower(ctx, product=False)


@LOWERINGS.register("CumProd")
def _cum_prod(ctx: LowerContext) -> Any:
    return _lower(ctx, product=True)
