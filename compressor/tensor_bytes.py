"""The values of a gs.Constant as bytes, without a copy where possible."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from onnx import numpy_helper

from compressor.graph_export import element_type
from compressor.tensor_values import TensorValues, stored_bytes


def size_bytes(constant: Any) -> int:
    """Bytes of `raw_bytes(constant)`, without reading them; meaningless for strings."""
    return stored_bytes(element_type(constant), tuple(constant.shape))


def raw_bytes(constant: Any) -> bytes | memoryview:
    """The values as raw_data holds them: little-endian, packed; strings with a zero byte between them."""
    values = constant._values
    if constant.dtype == np.dtype(object):
        return b"\0".join(numpy_helper.from_array(constant.values).string_data)
    if isinstance(values, TensorValues):
        return values.raw()
    array = np.ascontiguousarray(constant.values)
    if size_bytes(constant) != array.nbytes or sys.byteorder == "big":
        return numpy_helper.from_array(array).raw_data
    return array.reshape(-1).view(np.uint8).data
