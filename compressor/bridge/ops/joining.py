"""Concat, Split and Tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

from compressor.bridge.lowering import LOWERINGS, LowerContext


def split_evenly(x: Tensor, count: int, axis: int) -> tuple[Tensor, ...]:
    """``count`` parts of the same size; the last may be smaller."""
    return torch.split(x, -(-x.shape[axis] // count), axis)


def tile(x: Tensor, repeats: Sequence[int]) -> Tensor:
    """``x`` repeated along every axis."""
    return x.repeat(tuple(repeats))


@LOWERINGS.register("Concat")
def _concat(ctx: LowerContext) -> Any:
    return ctx.call(torch.cat, ctx.tensors(), ctx.attr("axis"))


@LOWERINGS.register("Split")
def _split(ctx: LowerContext) -> Any:
    axis, count = ctx.attr("axis", 0), len(ctx.node.outputs)
    sizes = ctx.host(1) if ctx.has(1) else ctx.attr("split")
    if sizes is None:
        return ctx.outputs(split_evenly, count, ctx.tensor(0), count, axis)
    sizes = sizes if isinstance(sizes, fx.Node) else list(sizes)
    return ctx.outputs(torch.split, count, ctx.tensor(0), sizes, axis)


@LOWERINGS.register("Tile")
def _tile(ctx: LowerContext) -> Any:
    return ctx.call(tile, ctx.tensor(0), ctx.host(1))
