"""Pad, in all modes; negative pads cut off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.element_types import rank

_TORCH_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def pad(x: Tensor, pads: Sequence[int], value: Any, axes: Sequence[int] | None, mode: str) -> Tensor:
    """ONNX's Pad: ``pads`` has the starts of all axes, then the ends."""
    return pad_axes(x, pairs_of(x.ndim, pads, axes), value, mode)


def pad_axes(x: Tensor, pairs: Sequence[tuple[int, int]], value: Any, mode: str) -> Tensor:
    """Adds (before, after) elements to each axis."""
    if mode == "constant":
        number = value.item() if isinstance(value, Tensor) else value
        return F.pad(x, torch_order(pairs), "constant", number)
    for axis, (before, after) in enumerate(pairs):
        if before < 0 or after < 0:  # what is cut off is not repeated either
            start = max(-before, 0)
            x = x.narrow(axis, start, x.shape[axis] - start + min(after, 0))
            before, after = max(before, 0), max(after, 0)
        if before or after:
            x = torch.index_select(x, axis, source_places(x.shape[axis], before, after, mode, x.device))
    return x


def source_places(size: int, before: int, after: int, mode: str, device: torch.device) -> Tensor:
    """Which element of an axis each element of the padded axis repeats."""
    places = torch.arange(-before, size + after, device=device)
    if mode == "edge":
        return places.clamp(0, size - 1)
    if mode == "wrap":
        return places % size
    period = max(2 * (size - 1), 1)
    places = places % period
    return torch.minimum(places, period - places) if size > 1 else places * 0


def pairs_of(count: int, pads: Sequence[int], axes: Sequence[int] | None) -> list[tuple[int, int]]:
    """(before, after) of each of ``count`` axes."""
    pairs = [(0, 0)] * count
    half = len(pads) // 2
    for i, axis in enumerate(range(half) if axes is None else axes):
        pairs[axis] = (pads[i], pads[half + i])
    return pairs


def torch_order(pairs: Sequence[tuple[int, int]]) -> list[int]:
    """What PyTorch's pad wants: the last axis first."""
    return [number for pair in reversed(pairs) for number in pair]


@LOWERINGS.register("Pad")
def _pad(ctx: LowerContext) -> Any:
    mode, x, axes = ctx.attr("mode", "constant"), ctx.tensor(0), rank(ctx, 0)
    if ctx.count() > 1:
        pads, value = ctx.host(1), ctx.operand(2) if ctx.has(2) else 0
        places = ctx.host(3) if ctx.has(3) else None
    else:
        pads, value, places = list(ctx.attr("pads")), ctx.attr("value", 0.0), None
    if isinstance(value, torch.Tensor):
        value = value.item()
    if isinstance(pads, fx.Node) or isinstance(places, fx.Node):
        return ctx.call(pad, x, pads, value, places, mode)
    if places is None:
        axes = len(pads) // 2
    if axes is None:
        return ctx.call(pad, x, pads, value, places, mode)
    pairs = pairs_of(axes, pads, places)
    while pairs and pairs[0] == (0, 0):
        pairs = pairs[1:]
    if not pairs:
        return x
    if not isinstance(value, fx.Node) and _torch_can(mode, axes, len(pairs), pairs):
        return ctx.call(F.pad, x, torch_order(pairs), _TORCH_MODES[mode], value if mode == "constant" else None)
    return ctx.call(pad_axes, x, pairs_of(axes, pads, places), value, mode)


def _torch_can(mode: str, axes: int, padded: int, pairs: Sequence[tuple[int, int]]) -> bool:
    """Reflection and its like exist for the last axes of pictures and volumes only."""
    if mode == "constant":
        return True
    return axes >= 3 and padded == axes - 2 and axes <= 5 and all(number >= 0 for pair in pairs for number in pair)
