"""NumPy kernels for the ops that exporters build shapes and indices with.

They evaluate a shape subgraph on known values. An op without a kernel here falls back to ONNX's
reference implementation, which is complete but some hundred times slower per call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Attrs: TypeAlias = Mapping[str, Any]
Kernel: TypeAlias = Callable[[Sequence[Array | None], Attrs], Array | None]

# Raised by NumPy and the reference kernels on values that an op cannot take.
EVALUATION_ERRORS = (ValueError, TypeError, IndexError, KeyError, RuntimeError, NotImplementedError, AttributeError,
                     ZeroDivisionError, OverflowError)  # fmt: skip


def attribute_array(value: Any) -> Array:
    """A tensor attribute as an array, whichever way graphsurgeon holds it."""
    return np.asarray(value.values if hasattr(value, "values") else value)


def _axes(inputs: Sequence[Array | None], attrs: Attrs, position: int) -> tuple[int, ...] | None:
    given = inputs[position] if len(inputs) > position else None
    axes = attrs.get("axes") if given is None else given.tolist()
    return None if axes is None else tuple(int(axis) for axis in np.atleast_1d(axes))


def _div(inputs: Sequence[Array | None], _: Attrs) -> Array | None:
    a, b = inputs
    if a is None or b is None:
        return None
    if np.issubdtype(a.dtype, np.integer):  # ONNX truncates towards zero
        return np.asarray(np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)), a.dtype)
    return np.asarray(a / b)


def _slice(inputs: Sequence[Array | None], attrs: Attrs) -> Array | None:
    data = inputs[0]
    if data is None:
        return None
    given: list[Any] = [*inputs[1:], None, None][:4]
    if "starts" in attrs:
        given = [attrs["starts"], attrs["ends"], attrs.get("axes"), None]
    starts, ends, axes, steps = given
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    index: list[slice] = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[int(axis)] = slice_of(int(start), int(end), int(step), data.shape[int(axis)])
    return data[tuple(index)]


def slice_of(start: int, end: int, step: int, length: int) -> slice:
    """ONNX Slice bounds as a Python slice (an end before the beginning means "to the beginning")."""
    if step < 0 and end < -length:
        return slice(start, None, step)
    return slice(start, end, step)


def _reshape(inputs: Sequence[Array | None], attrs: Attrs) -> Array | None:
    data, shape = inputs
    if data is None or shape is None:
        return None
    target = [int(n) for n in shape]
    if not attrs.get("allowzero", 0):
        target = [data.shape[i] if n == 0 else n for i, n in enumerate(target)]
    return data.reshape(target)


def _squeeze(inputs: Sequence[Array | None], attrs: Attrs) -> Array | None:
    return None if inputs[0] is None else np.squeeze(inputs[0], _axes(inputs, attrs, 1))


def _unsqueeze(inputs: Sequence[Array | None], attrs: Attrs) -> Array | None:
    axes = _axes(inputs, attrs, 1)
    return None if inputs[0] is None or axes is None else np.expand_dims(inputs[0], axes)


def _cast(inputs: Sequence[Array | None], attrs: Attrs) -> Array | None:
    kind = attrs["to"]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind) if isinstance(kind, int) else np.dtype(kind)
    return None if inputs[0] is None else inputs[0].astype(dtype)


def _constant_of_shape(inputs: Sequence[Array | None], attrs: Attrs) -> Array | None:
    value = attribute_array(attrs["value"]).reshape(-1) if "value" in attrs else np.zeros(1, np.float32)
    return None if inputs[0] is None else np.full(tuple(inputs[0].tolist()), value[0], value.dtype)


def _expand(inputs: Sequence[Array | None], _: Attrs) -> Array | None:
    data, shape = inputs
    if data is None or shape is None:
        return None
    return np.broadcast_to(data, np.broadcast_shapes(data.shape, tuple(shape.tolist())))


def _range(inputs: Sequence[Array | None], _: Attrs) -> Array | None:
    start, limit, delta = inputs
    if start is None or limit is None or delta is None:
        return None
    return np.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


def _reduce(function: Callable[..., Any]) -> Kernel:
    def kernel(inputs: Sequence[Array | None], attrs: Attrs) -> Array | None:
        axes = _axes(inputs, attrs, 1)
        if inputs[0] is None or (axes is None and attrs.get("noop_with_empty_axes", 0)):
            return inputs[0]
        return np.asarray(function(inputs[0], axis=axes, keepdims=bool(attrs.get("keepdims", 1))))

    return kernel


def _plain(function: Callable[..., Any]) -> Kernel:
    def kernel(inputs: Sequence[Array | None], _: Attrs) -> Array | None:
        if any(value is None for value in inputs):
            return None
        return np.asarray(function(*inputs))

    return kernel


KERNELS: dict[str, Kernel] = {
    "Abs": _plain(np.abs), "Add": _plain(np.add), "And": _plain(np.logical_and), "Cast": _cast, "Ceil": _plain(np.ceil),
    "Concat": lambda i, a: None if any(v is None for v in i) else np.concatenate(list(i), a["axis"]),
    "ConstantOfShape": _constant_of_shape, "Div": _div, "Equal": _plain(np.equal), "Expand": _expand,
    "Floor": _plain(np.floor),
    "Gather": lambda i, a: None if i[0] is None or i[1] is None else np.take(i[0], i[1], a.get("axis", 0)),
    "Greater": _plain(np.greater), "GreaterOrEqual": _plain(np.greater_equal), "Identity": _plain(np.asarray),
    "Less": _plain(np.less), "LessOrEqual": _plain(np.less_equal), "Mul": _plain(np.multiply),
    "Neg": _plain(np.negative), "Not": _plain(np.logical_not), "Or": _plain(np.logical_or), "Range": _range,
    "ReduceMax": _reduce(np.max), "ReduceMin": _reduce(np.min), "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum), "Reshape": _reshape, "Slice": _slice, "Sqrt": _plain(np.sqrt), "Squeeze": _squeeze,
    "Sub": _plain(np.subtract),
    "Transpose": lambda i, a: None if i[0] is None else np.transpose(i[0], a.get("perm")),
    "Unsqueeze": _unsqueeze, "Where": _plain(np.where),
}  # fmt: skip
