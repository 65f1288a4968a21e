"""Values of a pruned initializer, cut from their source only when they are written or run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray
from onnx import numpy_helper

from compressor.tensor_values import TensorValues, onnx_type, peek, release


class SlicedValues(TensorValues):
    """Kept indices of another initializer's values.

    Args:
        source: the initializer to cut.
        masks: one keep mask per axis; None keeps the whole axis.
    """

    def __init__(self, source: gs.Constant, masks: Sequence[NDArray[np.bool_] | None]) -> None:
        self._source = source._values
        self._masks = list(masks)
        shape = tuple(n if m is None else int(m.sum()) for n, m in zip(source.shape, masks, strict=True))
        kind = self._source.data_type if isinstance(self._source, TensorValues) else onnx_type(source.dtype)
        super().__init__(kind, shape)

    def raw(self) -> bytes | memoryview:
        """The kept values, little-endian."""
        array = self._read()
        if array.nbytes != self.nbytes:  # types smaller than a byte are stored packed
            return bytes(numpy_helper.from_array(array).raw_data)
        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("<"))
        return array.reshape(-1).view(np.uint8).data if array.size else b""

    def _read(self) -> NDArray[Any]:
        source = self._source
        values = peek(source)
        for axis, mask in enumerate(self._masks):
            if mask is not None:
                values = np.compress(mask, values, axis=axis)
        values = np.ascontiguousarray(values)
        release(source)
        return values
