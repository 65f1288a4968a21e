"""NumPy arrays <-> torch tensors, the types that NumPy lacks included."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch

from compressor.errors import GraphError
from compressor.tensor_values import onnx_type

_T = onnx.TensorProto
TORCH_TYPES: dict[int, torch.dtype] = {
    _T.FLOAT: torch.float32,
    _T.FLOAT16: torch.float16,
    _T.BFLOAT16: torch.bfloat16,
    _T.DOUBLE: torch.float64,
    _T.INT8: torch.int8,
    _T.INT16: torch.int16,
    _T.INT32: torch.int32,
    _T.INT64: torch.int64,
    _T.UINT8: torch.uint8,
    _T.UINT16: torch.uint16,
    _T.UINT32: torch.uint32,
    _T.UINT64: torch.uint64,
    _T.BOOL: torch.bool,
    _T.COMPLEX64: torch.complex64,
    _T.COMPLEX128: torch.complex128,
    _T.FLOAT8E4M3FN: torch.float8_e4m3fn,
    _T.FLOAT8E4M3FNUZ: torch.float8_e4m3fnuz,
    _T.FLOAT8E5M2: torch.float8_e5m2,
    _T.FLOAT8E5M2FNUZ: torch.float8_e5m2fnuz,
}
FLOAT_TYPES = frozenset({_T.FLOAT, _T.FLOAT16, _T.BFLOAT16, _T.DOUBLE})
# NumPy has no such types of its own; ml_dtypes arrays are handed over as the integers of the same width.
_BY_BITS: dict[int, tuple[Any, torch.dtype]] = {
    kind: (np.int16 if kind == _T.BFLOAT16 else np.uint8, TORCH_TYPES[kind])
    for kind in (_T.BFLOAT16, _T.FLOAT8E4M3FN, _T.FLOAT8E4M3FNUZ, _T.FLOAT8E5M2, _T.FLOAT8E5M2FNUZ)
}


def torch_type(kind: int, where: str) -> torch.dtype:
    """PyTorch's type for ONNX's number of one.

    Raises:
        GraphError: PyTorch has no such type.
    """
    if kind not in TORCH_TYPES:
        name = _T.DataType.Name(kind) if kind in _T.DataType.values() else str(kind)
        raise GraphError(f"PyTorch has no element type {name}", where=where, fix="Cast it to a type that it has.")
    return TORCH_TYPES[kind]


def to_torch(array: np.ndarray[Any, Any], where: str) -> torch.Tensor:
    """A tensor with a copy of the values."""
    kind = onnx_type(array.dtype)
    wanted = torch_type(kind, where)
    copied = np.array(array, order="C")
    if kind in _BY_BITS:
        carrier, wanted = _BY_BITS[kind]
        return torch.from_numpy(copied.view(carrier)).view(wanted)
    return torch.from_numpy(copied)


def to_numpy(tensor: torch.Tensor, dtype: Any) -> np.ndarray[Any, Any]:
    """The values as an array of ``dtype`` (NumPy's or ml_dtypes'), whatever type training left them in."""
    wanted = TORCH_TYPES[onnx_type(dtype)]
    values = tensor.detach().to(device="cpu", dtype=wanted).contiguous()
    if wanted in {pair[1] for pair in _BY_BITS.values()}:
        return values.view(torch.int16 if wanted == torch.bfloat16 else torch.uint8).numpy().view(dtype)
    return np.array(values.numpy())
