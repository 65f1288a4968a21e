"""Sliding windows: strides, dilations and padding of convolutions and pools, as ONNX states them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.lowering import LowerContext

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Windows:
    """Attributes of a node with windows; ``pads`` is None where ``auto_pad`` leaves it to the run."""

    kernel: Sizes
    strides: Sizes
    dilations: Sizes
    begins: Sizes | None
    ends: Sizes | None
    auto_pad: str

    @property
    def axes(self) -> int:
        """Number of spatial axes."""
        return len(self.kernel)

    def symmetric(self) -> bool:
        """Whether both ends of every axis get the same known padding."""
        return self.begins is not None and self.begins == self.ends


def read_windows(ctx: LowerContext, kernel: Sequence[int]) -> Windows:
    """The node's attributes, defaults filled in."""
    sizes = tuple(int(k) for k in kernel)
    ones = [1] * len(sizes)
    strides = tuple(ctx.attr("strides", ones))
    dilations = tuple(ctx.attr("dilations", ones))
    mode = ctx.attr("auto_pad", "NOTSET")
    begins: Sizes | None
    ends: Sizes | None
    if mode == "VALID":
        begins = ends = (0,) * len(sizes)
    elif mode in ("SAME_UPPER", "SAME_LOWER"):
        known = all(stride == 1 for stride in strides)
        begins, ends = same_padding(mode, sizes, sizes, strides, dilations) if known else (None, None)
    else:
        pads = list(ctx.attr("pads", [0] * (2 * len(sizes))))
        begins, ends = tuple(pads[: len(sizes)]), tuple(pads[len(sizes) :])
    return Windows(sizes, strides, dilations, begins, ends, mode)


def same_padding(
    mode: str, sizes: Sequence[int], kernel: Sizes, strides: Sizes, dilations: Sizes
) -> tuple[Sizes, Sizes]:
    """Padding of begins and ends for SAME_UPPER or SAME_LOWER; with strides of 1 any ``sizes`` give the same."""
    begins, ends = [], []
    for size, k, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + dilation * (k - 1) + 1 - size, 0)
        small = total // 2
        begins.append(small if mode == "SAME_UPPER" else total - small)
        ends.append(total - begins[-1])
    return tuple(begins), tuple(ends)


def torch_pads(begins: Sequence[int], ends: Sequence[int]) -> tuple[int, ...]:
    """Padding as ``F.pad`` wants it: last axis first, begin and end side by side."""
    return tuple(p for pair in zip(reversed(begins), reversed(ends), strict=True) for p in pair)


def pad_same(x: Tensor, mode: str, kernel: Sizes, strides: Sizes, dilations: Sizes, value: float = 0.0) -> Tensor:
    """``x`` with the padding that its size asks for."""
    begins, ends = same_padding(mode, x.shape[2:], kernel, strides, dilations)
    return F.pad(x, torch_pads(begins, ends), value=value)


def exact_padding(
    sizes: Sequence[int], kernel: Sizes, strides: Sizes, dilations: Sizes,
    begins: Sizes | None, ends: Sizes | None, auto_pad: str, ceil: bool,
) -> tuple[Sizes, Sizes]:  # fmt: skip
    """Padding, after which the last window ends with the data; ends may be negative: what no window reaches.

    Rounded up, the last window must still start inside the data or the padding before it.
    """
    if begins is None or ends is None:
        begins, ends = same_padding(auto_pad, sizes, kernel, strides, dilations)
    reached = []
    for size, k, stride, dilation, begin, end in zip(sizes, kernel, strides, dilations, begins, ends, strict=True):
        span = dilation * (k - 1) + 1
        steps = size + begin + end - span
        last = -(-steps // stride) if ceil else steps // stride
        if ceil and last * stride >= size + begin:
            last -= 1
        reached.append(last * stride + span - size - begin)
    return begins, tuple(reached)


_SUMS = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}


def window_sums(x: Tensor, kernel: Sizes, strides: Sizes, dilations: Sizes) -> Tensor:
    """Sums over windows, channel by channel; no padding."""
    planes = x.reshape(-1, 1, *x.shape[2:])
    ones = torch.ones((1, 1, *kernel), dtype=x.dtype, device=x.device)
    sums = _SUMS[len(kernel)](planes, ones, None, strides, 0, dilations)
    return sums.view(*x.shape[:2], *sums.shape[2:])
