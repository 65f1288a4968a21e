"""What each output position of a convolution sees: rows of a matrix, so that the layer is a matrix product.

A transposed convolution is a convolution of its input with zeros put between, so that both go the same way.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compressor.passes.shape_values import Array


@dataclass(frozen=True)
class Window:
    """The geometry of a convolution, one entry for each spatial axis.

    Attributes:
        kernel: sizes of the kernel.
        strides, dilations: as ONNX has them.
        pads: (begin, end) of each axis; negative crops.
        stuffed: zeros put between, as a stride (1 for none): of a transposed convolution, whose strides are 1.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[tuple[int, int], ...]
    stuffed: tuple[int, ...]

    def rows(self, x: Array, chosen: Array) -> Array:
        """The input under the kernel at some output positions.

        Args:
            x: [N, C, *spatial].
            chosen: int [n], positions among [N, *output spatial], counted in C order.

        Returns:
            [n, C, *kernel], a copy.
        """
        rank = len(self.kernel)
        if any(step > 1 for step in self.stuffed):
            x = _stuffed(x, self.stuffed)
        x = _padded(x, self.pads)
        reach = [(size - 1) * step + 1 for size, step in zip(self.kernel, self.dilations, strict=True)]
        seen = np.lib.stride_tricks.sliding_window_view(x, reach, axis=tuple(range(2, 2 + rank)))
        steps = (1, 1, *self.strides, *self.dilations)
        every: tuple[Any, ...] = tuple(slice(None, None, step) for step in steps)
        seen = seen[every]
        places = np.unravel_index(chosen, (seen.shape[0], *seen.shape[2 : 2 + rank]))
        rows: Array = seen[(places[0], slice(None), *places[1:])]
        return rows


def window_of(attrs: Mapping[str, Any], x: Sequence[int], kernel: Sequence[int]) -> Window:
    """The window of a Conv with these attributes on an input of shape ``x``."""
    rank = len(kernel)
    strides = _sizes(attrs, "strides", rank)
    dilations = _sizes(attrs, "dilations", rank)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    auto = _auto_pad(attrs)
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        totals = [
            max((math.ceil(size / step) - 1) * step + far - size, 0)
            for size, step, far in zip(x[2:], strides, reach, strict=True)
        ]
        pads = [_halves(total, auto == "SAME_UPPER") for total in totals]
    else:
        pads = _explicit_pads(attrs, rank, auto)
    return Window(tuple(kernel), strides, dilations, tuple(pads), (1,) * rank)


def transposed_window_of(attrs: Mapping[str, Any], x: Sequence[int], y: Sequence[int], kernel: Sequence[int]) -> Window:
    """The window of a ConvTranspose with these attributes from shape ``x`` to shape ``y``; its kernel is flipped."""
    rank = len(kernel)
    strides = _sizes(attrs, "strides", rank)
    dilations = _sizes(attrs, "dilations", rank)
    auto = _auto_pad(attrs)
    pads = []
    for axis in range(rank):
        reach = (kernel[axis] - 1) * dilations[axis]
        stuffed = (x[2 + axis] - 1) * strides[axis] + 1
        total = stuffed + 2 * reach - reach - y[2 + axis]  # what is cut off both ends together
        if auto in ("SAME_UPPER", "SAME_LOWER") or "output_shape" in attrs:
            extra = int(attrs.get("output_padding", [0] * rank)[axis])
            begin, _ = _halves(max(total + extra, 0), auto == "SAME_UPPER")
        else:
            begin, _ = _explicit_pads(attrs, rank, auto)[axis]
        before = reach - begin
        pads.append((before, y[2 + axis] + reach - stuffed - before))
    return Window(tuple(kernel), (1,) * rank, dilations, tuple(pads), strides)


def _sizes(attrs: Mapping[str, Any], name: str, rank: int) -> tuple[int, ...]:
    return tuple(int(size) for size in attrs.get(name, [1] * rank))


def _auto_pad(attrs: Mapping[str, Any]) -> str:
    value = attrs.get("auto_pad", "NOTSET")
    return value.decode() if isinstance(value, bytes) else str(value)


def _explicit_pads(attrs: Mapping[str, Any], rank: int, auto: str) -> list[tuple[int, int]]:
    pads = [0] * (2 * rank) if auto == "VALID" else [int(pad) for pad in attrs.get("pads", [0] * (2 * rank))]
    return list(zip(pads[:rank], pads[rank:], strict=True))


def _halves(total: int, upper: bool) -> tuple[int, int]:
    less, more = total // 2, total - total // 2
    return (less, more) if upper else (more, less)


def _stuffed(x: Array, steps: Sequence[int]) -> Array:
    shape = [(size - 1) * step + 1 for size, step in zip(x.shape[2:], steps, strict=True)]
    stuffed = np.zeros((*x.shape[:2], *shape), x.dtype)
    stuffed[(slice(None), slice(None), *(slice(None, None, step) for step in steps))] = x
    return stuffed


def _padded(x: Array, pads: Sequence[tuple[int, int]]) -> Array:
    if any(pad < 0 for pair in pads for pad in pair):
        ends = [(max(-low, 0), size - max(-high, 0)) for (low, high), size in zip(pads, x.shape[2:], strict=True)]
        x = x[(slice(None), slice(None), *(slice(low, high) for low, high in ends))]
    more = [(max(low, 0), max(high, 0)) for low, high in pads]
    return np.pad(x, [(0, 0), (0, 0), *more]) if any(pad for pair in more for pad in pair) else x
