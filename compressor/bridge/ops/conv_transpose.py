"""ConvTranspose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.known_shapes import known_shape
from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.windows import Sizes, torch_pads

_TRANSPOSED: dict[int, Callable[..., Tensor]] = {
    1: torch.conv_transpose1d,
    2: torch.conv_transpose2d,
    3: torch.conv_transpose3d,
}


@LOWERINGS.register("ConvTranspose")
def conv_transpose(ctx: LowerContext) -> Any:
    """One call where padding is known and within what PyTorch's output_padding can express."""
    x, weight, bias = ctx.tensor(0), ctx.tensor(1), ctx.maybe(2)
    shape = known_shape(ctx, 1)
    kernel = ctx.attr("kernel_shape") or (shape[2:] if shape else None)
    names = ("strides", "dilations", "output_padding", "pads", "output_shape")
    given = [None if ctx.attr(name) is None else tuple(ctx.attr(name)) for name in names]
    group, mode = ctx.attr("group", 1), ctx.attr("auto_pad", "NOTSET")
    if kernel is None or given[4] or mode in ("SAME_UPPER", "SAME_LOWER"):
        return ctx.call(transpose_to_size, x, weight, bias, *given, group, mode)
    pads = given[3] if mode == "NOTSET" else None
    strides, dilations, extra, begins, ends = _filled(len(kernel), given[0], given[1], given[2], pads)
    if len(kernel) not in _TRANSPOSED:
        raise ctx.error(f"PyTorch has no transposed convolution over {len(kernel)} axes")
    late = tuple(e + b - end for e, b, end in zip(extra, begins, ends, strict=True))  # in terms of even padding
    if all(0 <= e < max(s, d) for e, s, d in zip(late, strides, dilations, strict=True)):
        return ctx.call(_TRANSPOSED[len(kernel)], x, weight, bias, strides, begins, late, group, dilations)
    return ctx.call(transpose_and_crop, x, weight, bias, strides, dilations, begins, ends, extra, group)


def _filled(
    axes: int, strides: Sizes | None, dilations: Sizes | None, extra: Sizes | None, pads: Sizes | None
) -> tuple[Sizes, Sizes, Sizes, Sizes, Sizes]:
    """Strides, dilations, output padding, begins and ends, with their defaults."""
    ones, zeros = (1,) * axes, (0,) * axes
    begins, ends = (pads[:axes], pads[axes:]) if pads else (zeros, zeros)
    return strides or ones, dilations or ones, extra or zeros, begins, ends


def transpose_and_crop(
    x: Tensor, weight: Tensor, bias: Tensor | None, strides: Sizes, dilations: Sizes, begins: Sizes,
    ends: Sizes, extra: Sizes, group: int,
) -> Tensor:  # fmt: skip
    """The whole result, cropped at its ends or made longer; only the bias reaches beyond it."""
    whole = _TRANSPOSED[len(strides)](x, weight, None, strides, 0, 0, group, dilations)
    margins = [e - end for e, end in zip(extra, ends, strict=True)]
    cropped = F.pad(whole, torch_pads([-begin for begin in begins], margins))
    return cropped if bias is None else cropped + bias.view(-1, *[1] * len(strides))


def transpose_to_size(
    x: Tensor, weight: Tensor, bias: Tensor | None, strides: Sizes | None, dilations: Sizes | None,
    extra: Sizes | None, pads: Sizes | None, sizes: Sizes | None, group: int, mode: str,
) -> Tensor:  # fmt: skip
    """Padding follows from the size of the result: ``sizes``, else ``stride`` times that of ``x``, if ``mode`` asks."""
    kernel = weight.shape[2:]
    steps, spread, more, begins, ends = _filled(len(kernel), strides, dilations, extra, pads)
    if sizes or mode in ("SAME_UPPER", "SAME_LOWER"):
        # The wanted shape may list batch and channels too.
        wanted = sizes[-len(kernel) :] if sizes else [n * s for n, s in zip(x.shape[2:], steps, strict=True)]
        totals = [
            s * (n - 1) + e + (k - 1) * d + 1 - out
            for n, out, k, s, d, e in zip(x.shape[2:], wanted, kernel, steps, spread, more, strict=True)
        ]
        # Cut off toward zero: a negative padding, which lengthens the result, goes to its end first.
        begins = tuple(int(t / 2) if mode == "SAME_UPPER" else int((t + 1) / 2) for t in totals)
        ends = tuple(t - b for t, b in zip(totals, begins, strict=True))
    elif mode == "VALID":
        begins = ends = (0,) * len(kernel)
    return transpose_and_crop(x, weight, bias, steps, spread, begins, ends, more, group)
