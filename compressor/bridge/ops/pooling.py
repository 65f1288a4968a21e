"""MaxPool, AveragePool and the global pools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.windows import Sizes, Windows, exact_padding, read_windows, torch_pads, window_sums

_MAX: dict[int, Callable[..., Tensor]] = {1: torch.max_pool1d, 2: torch.max_pool2d, 3: torch.max_pool3d}
_MAX_INDICES: dict[int, Callable[..., tuple[Tensor, Tensor]]] = {
    1: torch.max_pool1d_with_indices,
    2: torch._C._nn.max_pool2d_with_indices,
    3: torch._C._nn.max_pool3d_with_indices,
}
_AVERAGE: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def _pool_windows(ctx: LowerContext) -> Windows:
    windows = read_windows(ctx, ctx.attr("kernel_shape"))
    if windows.axes not in _MAX:
        raise ctx.error(f"PyTorch has no pooling over {windows.axes} axes")
    return windows


def _native_padding(windows: Windows) -> bool:
    """Whether PyTorch's own padding will do: even at both ends and no more than half a window."""
    begins = windows.begins
    return windows.symmetric() and all(2 * p <= k for p, k in zip(begins or (), windows.kernel, strict=True))


def _arguments(windows: Windows, ceil: bool) -> tuple[Any, ...]:
    w = windows
    return w.kernel, w.strides, w.dilations, w.begins, w.ends, w.auto_pad, ceil


@LOWERINGS.register("MaxPool")
def max_pool(ctx: LowerContext) -> Any:
    """Native where padding is; indices count through the whole tensor."""
    windows, ceil = _pool_windows(ctx), bool(ctx.attr("ceil_mode", 0))
    if ctx.wants(1):
        by_column = bool(ctx.attr("storage_order", 0))
        return ctx.outputs(max_pool_with_indices, 2, ctx.tensor(0), *_arguments(windows, ceil), by_column)
    if _native_padding(windows):
        w = windows
        return ctx.call(max_pool_native, ctx.tensor(0), w.kernel, w.strides, w.begins, w.dilations, ceil)
    return ctx.call(max_pool_padded, ctx.tensor(0), *_arguments(windows, ceil))


def max_pool_native(x: Tensor, kernel: Sizes, *arguments: Any) -> Tensor:
    """PyTorch's own; it has none of 8-bit integers."""
    return _MAX[len(kernel)](x.to(_pool_type(x)), kernel, *arguments).to(x.dtype)


def _padded(x: Tensor, value: float, windows: tuple[Any, ...]) -> tuple[Tensor, Sizes]:
    """``x`` with just the padding that its windows reach, and the begins of it."""
    begins, ends = exact_padding(x.shape[2:], *windows)
    return F.pad(x, torch_pads(begins, ends), value=value), begins


def max_pool_padded(x: Tensor, *windows: Any) -> Tensor:
    """A pool with any padding; ``windows`` as ``exact_padding`` takes them."""
    kernel, strides, dilations = windows[:3]
    padded, _ = _padded(x.to(_pool_type(x)), -torch.inf, windows)
    return _MAX[len(kernel)](padded, kernel, strides, 0, dilations).to(x.dtype)


def _pool_type(x: Tensor) -> torch.dtype:
    return x.dtype if x.is_floating_point() else torch.float32


def max_pool_with_indices(x: Tensor, *arguments: Any) -> tuple[Tensor, Tensor]:
    """The pool, and where in the whole of ``x`` each maximum lies, counted by rows or by columns."""
    *windows, by_column = arguments
    kernel, strides, dilations = windows[:3]
    padded, begins = _padded(x.to(_pool_type(x)), -torch.inf, tuple(windows))
    result, flat = _MAX_INDICES[len(kernel)](padded, kernel, strides, 0, dilations)
    coordinates = []
    for size, begin in zip(reversed(padded.shape[2:]), reversed(begins), strict=True):
        coordinates.append(flat % size - begin)
        flat = flat // size
    axes = list(zip(coordinates, reversed(x.shape[2:]), strict=True))
    inside, stride = torch.zeros_like(flat), 1
    for coordinate, size in reversed(axes) if by_column else axes:
        inside = inside + coordinate * stride
        stride *= size
    planes = torch.arange(x.shape[0] * x.shape[1], device=x.device) * stride
    return result.to(x.dtype), inside + planes.view(x.shape[0], x.shape[1], *[1] * len(kernel))


@LOWERINGS.register("AveragePool")
def average_pool(ctx: LowerContext) -> Any:
    """Native where padding is and nothing is dilated."""
    windows, ceil = _pool_windows(ctx), bool(ctx.attr("ceil_mode", 0))
    include = bool(ctx.attr("count_include_pad", 0))
    if _native_padding(windows) and all(d == 1 for d in windows.dilations):
        w = windows
        return ctx.call(_AVERAGE[w.axes], ctx.tensor(0), w.kernel, w.strides, w.begins, ceil, include)
    return ctx.call(average_pool_padded, ctx.tensor(0), *_arguments(windows, ceil), include)


def average_pool_padded(x: Tensor, *arguments: Any) -> Tensor:
    """Sums divided by how many elements each window holds, padding counted or not."""
    *windows, include = arguments
    kernel, strides, dilations, begins, ends = windows[:5]
    ones = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=x.device)
    exact_begins, exact_ends = exact_padding(x.shape[2:], *windows)
    if include and begins is None:
        ones = torch.ones_like(F.pad(ones, torch_pads(exact_begins, exact_ends)))
    elif include:
        ones = F.pad(ones, torch_pads(begins, ends), value=1.0)
        beyond = [exact - end for exact, end in zip(exact_ends, ends, strict=True)]
        ones = F.pad(ones, torch_pads([0] * len(kernel), beyond))
    else:
        ones = F.pad(ones, torch_pads(exact_begins, exact_ends))
    padded = F.pad(x, torch_pads(exact_begins, exact_ends))
    return window_sums(padded, kernel, strides, dilations) / window_sums(ones, kernel, strides, dilations)


@LOWERINGS.register("LpPool")
def lp_pool(ctx: LowerContext) -> Any:
    """The p-norm of each window."""
    windows, ceil = _pool_windows(ctx), bool(ctx.attr("ceil_mode", 0))
    return ctx.call(lp_pool_padded, ctx.tensor(0), ctx.attr("p", 2), *_arguments(windows, ceil))


def lp_pool_padded(x: Tensor, p: int, *windows: Any) -> Tensor:
    """Padding is zero and adds nothing."""
    kernel, strides, dilations = windows[:3]
    padded, _ = _padded(x, 0.0, windows)
    return window_sums(padded.abs() ** p, kernel, strides, dilations) ** (1 / p)


def global_average(x: Tensor) -> Tensor:
    """Means over the spatial axes, which stay as size 1."""
    return x.mean(tuple(range(2, x.ndim)), keepdim=True)


def global_max(x: Tensor) -> Tensor:
    """Maxima over the spatial axes, which stay as size 1; of several equal ones the first gets the gradient."""
    flat, indices = x.flatten(2).max(2, keepdim=True)
    del indices
    return flat.view(*x.shape[:2], *[1] * (x.ndim - 2))


def global_lp(x: Tensor, p: int) -> Tensor:
    """p-norms over the spatial axes, which stay as size 1."""
    norms: Tensor = torch.linalg.vector_norm(x, p, tuple(range(2, x.ndim)), keepdim=True)
    return norms


@LOWERINGS.register("GlobalAveragePool")
def lower_global_average(ctx: LowerContext) -> Any:
    """Mean over all spatial axes."""
    return ctx.call(global_average, ctx.tensor(0))


@LOWERINGS.register("GlobalMaxPool")
def lower_global_max(ctx: LowerContext) -> Any:
    """Maximum over all spatial axes."""
    return ctx.call(global_max, ctx.tensor(0))


@LOWERINGS.register("GlobalLpPool")
def lower_global_lp(ctx: LowerContext) -> Any:
    """p-norm over all spatial axes."""
    return ctx.call(global_lp, ctx.tensor(0), ctx.attr("p", 2))
