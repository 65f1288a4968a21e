"""Values of an initializer, read only when asked for: from a protobuf message or from a range of a file.

Both are graphsurgeon LazyValues, so `gs.Constant.values` loads them on first use. The arrays are read-only:
several graphs share one source. To change a weight, assign a new array to `constant.values`.
"""

from __future__ import annotations

import math
import mmap
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx_graphsurgeon.ir.tensor import LazyValues

from compressor.errors import ModelFileError

_TYPES = onnx.TensorProto
_BITS = {"INT4": 4, "UINT4": 4, "FLOAT4E2M1": 4, "INT2": 2, "UINT2": 2, "FLOAT6E2M3": 6, "FLOAT6E3M2": 6}
# By name: older onnx packages lack the newest of them.
_BITS_BELOW_A_BYTE: dict[int, int] = {number: _BITS[name] for name, number in _TYPES.DataType.items() if name in _BITS}
# Smaller weights are soon read again, and reading a released page costs more than it frees.
_WORTH_RELEASING_BYTES = 16 << 20
_STRIDED_FIELDS: dict[int, int] = {_TYPES.COMPLEX64: 2, _TYPES.COMPLEX128: 2}  # entries of the typed field per element
_KNOWN_TYPES = frozenset(_TYPES.DataType.values()) - {_TYPES.UNDEFINED}
_NUMPY_TYPES = {number: np.dtype(helper.tensor_dtype_to_np_dtype(number)) for number in _KNOWN_TYPES}
_FIELDS = {number: helper.tensor_dtype_to_field(number) for number in _KNOWN_TYPES}


def numpy_type(data_type: int) -> Any:
    """The NumPy (or ml_dtypes) type of an ONNX element type; None for UNDEFINED. Raises KeyError if unknown."""
    return None if data_type == _TYPES.UNDEFINED else _NUMPY_TYPES[data_type]


def onnx_type(dtype: Any) -> int:
    """The ONNX element type of a NumPy type; numbers are taken to be ONNX element types already."""
    return int(dtype) if isinstance(dtype, int) else int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def stored_bytes(data_type: int, shape: tuple[int, ...]) -> int:
    """Bytes that `raw_data` has for a tensor of this type and shape (sub-byte types are packed)."""
    count = math.prod(shape)
    bits = _BITS_BELOW_A_BYTE.get(data_type)
    return count * _NUMPY_TYPES[data_type].itemsize if bits is None else -(-count * bits // 8)


class TensorValues(LazyValues):  # type: ignore[misc]
    """Lazy values: `shape`, `dtype` and `nbytes` (as stored) are known, the array is not yet there."""

    def __init__(self, data_type: int, shape: tuple[int, ...]) -> None:
        self.data_type = data_type
        self.shape = shape
        self.dtype = _NUMPY_TYPES[data_type]
        self.nbytes = stored_bytes(data_type, shape)
        self._loaded: weakref.ref[np.ndarray[Any, Any]] | None = None

    def load(self) -> np.ndarray[Any, Any]:
        """The array, read-only. Loading twice while the first array lives gives the same array."""
        array = self._loaded() if self._loaded is not None else None
        if array is None:
            array = self._read()
            array.flags.writeable = False
            self._loaded = weakref.ref(array)
        return array

    def raw(self) -> bytes | memoryview:
        """The little-endian bytes as `raw_data` or an external file holds them; not for strings."""
        raise NotImplementedError

    def _read(self) -> np.ndarray[Any, Any]:
        raise NotImplementedError


class MessageValues(TensorValues):
    """Values inside an onnx.TensorProto, which must not be changed while this object lives."""

    def __init__(self, tensor: onnx.TensorProto) -> None:
        super().__init__(tensor.data_type, tuple(tensor.dims))
        self.tensor = tensor

    def raw(self) -> bytes | memoryview:
        """The bytes, converted if the message keeps them in a typed field."""
        if self.tensor.HasField("raw_data"):
            return self.tensor.raw_data
        return numpy_helper.from_array(self.load()).raw_data

    def _read(self) -> np.ndarray[Any, Any]:
        return numpy_helper.to_array(self.tensor)


class MappedFile:
    """A file mapped read-only when opened, so that replacing the file later does not change what is read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            self.size_bytes = os.fstat(descriptor).st_size
            self._map = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) if self.size_bytes else b""
        finally:
            os.close(descriptor)

    def view(self, offset: int = 0, size_bytes: int | None = None) -> memoryview:
        """`size_bytes` bytes (default: all) from `offset`, without copying."""
        end = self.size_bytes if size_bytes is None else offset + size_bytes
        return memoryview(self._map)[offset:end]

    def release(self, offset: int, size_bytes: int) -> None:
        """Give the memory of a range back to the system; reading it again brings it back."""
        if isinstance(self._map, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
            start = offset // mmap.PAGESIZE * mmap.PAGESIZE
            self._map.madvise(mmap.MADV_DONTNEED, start, offset + size_bytes - start)


class FileValues(TensorValues):
    """Values in a range of a mapped file: a model's own file or its external data."""

    def __init__(self, data_type: int, shape: tuple[int, ...], file: MappedFile, offset: int) -> None:
        super().__init__(data_type, shape)
        self._file = file
        self._offset = offset

    @property
    def tensor(self) -> onnx.TensorProto:
        """A TensorProto holding a copy of the values, for code that expects graphsurgeon's own lazy values."""
        return onnx.TensorProto(data_type=self.data_type, dims=self.shape, raw_data=bytes(self.raw()))

    def raw(self) -> bytes | memoryview:
        """The bytes in the mapped file, not copied."""
        return self._file.view(self._offset, self.nbytes)

    def release(self) -> None:
        """Give the memory of the values back to the system; arrays of them stay valid."""
        self._file.release(self._offset, self.nbytes)

    def _read(self) -> np.ndarray[Any, Any]:
        if self.data_type in _BITS_BELOW_A_BYTE:
            return numpy_helper.to_array(self.tensor)
        array = np.frombuffer(self.raw(), dtype=self.dtype.newbyteorder("<")).reshape(self.shape)
        # Protobuf does not align; unaligned arrays are slow in NumPy and refused by others.
        return array if array.flags.aligned else np.array(array)


def peek(constant: Any) -> np.ndarray[Any, Any]:
    """The values of a gs.Constant or of what stands behind one; unlike `constant.values`, nothing is kept loaded."""
    values = getattr(constant, "_values", constant)
    loaded: np.ndarray[Any, Any] = values.load() if isinstance(values, LazyValues) else values
    return loaded


def release(values: Any) -> None:
    """Give the memory of a big range of a mapped file back; it is read again when needed."""
    if isinstance(values, FileValues) and values.nbytes >= _WORTH_RELEASING_BYTES:
        values.release()


def from_message(tensor: onnx.TensorProto, where: str) -> MessageValues:
    """Lazy values of a tensor that holds its own data, after checking that type, shape and data agree.

    Raises:
        ModelFileError: the element type is unknown, a dimension negative, or the amount of data wrong.
    """
    check_type_and_shape(tensor, where)
    values = MessageValues(tensor)
    if tensor.HasField("raw_data"):
        if _has_raw_bytes(tensor, values.nbytes):
            return values
        have, need, unit = len(tensor.raw_data), values.nbytes, "bytes"
    else:
        have, unit = len(getattr(tensor, _FIELDS[tensor.data_type])), "entries"
        need = math.prod(values.shape) * _STRIDED_FIELDS.get(tensor.data_type, 1)
        if _FIELDS[tensor.data_type] == "int32_data" and _BITS_BELOW_A_BYTE.get(tensor.data_type) in (2, 4):
            need = values.nbytes  # one entry a packed byte
    if have != need:
        raise damaged(tensor.name, where, f"has {have} {unit} of data, its shape {list(values.shape)} needs {need}")
    return values


def _has_raw_bytes(tensor: onnx.TensorProto, size_bytes: int) -> bool:
    """Has raw_data this length? Asking protobuf for raw_data copies it, asking for the message's size does not."""
    head = onnx.TensorProto(data_type=tensor.data_type, dims=tensor.dims, name=tensor.name)
    length_digits = max(1, -(-size_bytes.bit_length() // 7))
    return bool(tensor.ByteSize() == head.ByteSize() + 1 + length_digits + size_bytes)


def check_type_and_shape(tensor: onnx.TensorProto, where: str) -> None:
    """Raise ModelFileError unless `tensor` has a known element type and no negative dimension."""
    if tensor.data_type not in _KNOWN_TYPES:
        raise damaged(tensor.name, where, f"has element type {tensor.data_type}, unknown to the installed onnx")
    if any(size < 0 for size in tensor.dims):
        raise damaged(tensor.name, where, f"has a negative dimension in its shape {list(tensor.dims)}")
    if tensor.HasField("segment"):
        raise damaged(tensor.name, where, "is stored in segments, which no ONNX runtime reads")


def damaged(tensor_name: str, where: str, what: str) -> ModelFileError:
    """The error for a tensor whose data cannot be right."""
    fix = "The file is damaged or was written wrongly; export or download it again."
    return ModelFileError(f"tensor {tensor_name!r} {what}", where=where, fix=fix)
