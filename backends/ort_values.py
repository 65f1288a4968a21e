"""Between NumPy and ONNX Runtime's values, types and exceptions (bfloat16 and its like included)."""

from __future__ import annotations

import ctypes
import re
from functools import cache
from typing import Any

import numpy as np

from compressor.backends.base import Array
from compressor.errors import BackendError

_MESSAGE_CHARS = 400
# ONNX Runtime's spelling -> onnx.TensorProto's.
_NAMES = {"float": "FLOAT", "double": "DOUBLE"}


@cache
def error_types() -> tuple[type[Exception], ...]:
    """Everything ONNX Runtime raises on a bad model or bad inputs."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError)


def reason(error: Exception) -> str:
    """The message of ``error`` on one line, without the numeric prefix."""
    text = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", " ".join(str(error).split()))
    return text if len(text) <= _MESSAGE_CHARS else text[: _MESSAGE_CHARS - 3] + "..."


def onnx_type(ort_type: str, name: str) -> int:
    """The TensorProto element type of "tensor(float16)" and the like; other kinds of value raise BackendError."""
    import onnx

    match = re.fullmatch(r"tensor\((\w+)\)", ort_type)
    if match is None or match[1] == "string":
        raise BackendError(f"inputs and outputs of type {ort_type} are not supported", where=name)
    return int(onnx.TensorProto.DataType.Value(_NAMES.get(match[1], match[1].upper())))


def numpy_type(ort_type: str, name: str) -> np.dtype[Any]:
    """The NumPy type (ml_dtypes' for bfloat16 and float8) of an ONNX Runtime type."""
    import onnx

    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(onnx_type(ort_type, name)))


def to_ort(array: Array, element_type: int, memory: str = "cpu", device: int = 0) -> Any:
    """``array`` as an OrtValue: in host memory it shares the array's where the layout allows, elsewhere it is a copy.

    Values that NumPy has no type for stay in host memory: ONNX Runtime copies them when it runs.
    """
    from onnxruntime import OrtValue

    array = np.ascontiguousarray(array).reshape(array.shape)  # ascontiguousarray makes scalars 1-D
    if array.dtype.isbuiltin == 1:
        return OrtValue.ortvalue_from_numpy(array, memory, device)
    carrier = array.view(np.dtype(f"u{array.dtype.itemsize}"))
    return OrtValue.ortvalue_from_numpy_with_onnx_type(carrier, element_type)


def to_numpy(value: Any, name: str) -> Array:
    """An OrtValue's content as an array of its own."""
    dtype = numpy_type(value.data_type(), name)
    if dtype.isbuiltin == 1:
        # A copy, because numpy() is a view, and an output may be the memory of a feed or of a weight.
        return np.array(value.numpy())
    # OrtValue.numpy refuses bfloat16 and float8: copy the raw memory instead.
    raw = ctypes.string_at(value.data_ptr(), value.tensor_size_in_bytes())
    return np.frombuffer(raw, dtype=dtype).reshape(value.shape()).copy()
