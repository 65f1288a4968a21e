"""Gemm, and MatMul with a stored matrix on one side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from compressor.passes.recovery.layer import Layer
from compressor.passes.shape_values import Array


class MatrixLayer(Layer):
    """Gemm, or MatMul with a stored matrix on one side."""

    @property
    def slot(self) -> int:
        """See Layer."""
        return 1 if self.left else 0

    @property
    def left(self) -> bool:
        """Is the weight the left operand?"""
        return bool(self.node.op == "MatMul" and isinstance(self.node.inputs[0], gs.Constant))

    @property
    def _columns(self) -> bool:
        """Do the input's columns, not its rows, hold the numbers that are summed?"""
        return self.left or bool(self.node.attrs.get("transA", 0))

    @property
    def _alpha(self) -> float:
        return float(self.node.attrs.get("alpha", 1.0)) if self.node.op == "Gemm" else 1.0

    @property
    def _inputs_first(self) -> bool:
        return not (self.left or bool(self.node.attrs.get("transB", 0)))

    @property
    def geometry(self) -> tuple[Any, ...]:
        """See Layer."""
        return ("matrix", self._columns)

    @property
    def shape(self) -> tuple[int, int, int]:
        """See Layer."""
        first, second = (int(size) for size in self.weight.shape)
        return (1, first, second) if self._inputs_first else (1, second, first)

    def rows(self, x: Array, y_shape: Sequence[int], chosen: Array) -> Array:
        """See Layer."""
        if self._columns and x.ndim > 1:
            x = np.moveaxis(x, -2, -1)
        return x.reshape(-1, x.shape[-1])[chosen][None]

    def outputs(self, y: Array, chosen: Array) -> Array:
        """See Layer."""
        if self.left and y.ndim > 1:
            y = np.moveaxis(y, -2, -1)
        return y.reshape(-1, y.shape[-1])[chosen][None]

    def positions(self, y_shape: Sequence[int]) -> int:
        """See Layer."""
        return int(np.prod(y_shape)) // self.shape[2]

    def matrix(self, values: Array) -> Array:
        """See Layer."""
        return (values if self._inputs_first else values.T)[None] * self._alpha

    def unmatrix(self, matrix: Array) -> Array:
        """See Layer."""
        values: Array = matrix[0] / self._alpha
        return values if self._inputs_first else values.T
