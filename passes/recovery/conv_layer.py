"""Conv and ConvTranspose, 1-D to 3-D, grouped, as matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from compressor.passes.recovery.layer import Layer
from compressor.passes.recovery.windows import Window, transposed_window_of, window_of
from compressor.passes.shape_values import Array


class ConvLayer(Layer):
    """Conv or ConvTranspose."""

    @property
    def transposed(self) -> bool:
        """Is it a ConvTranspose?"""
        return bool(self.node.op == "ConvTranspose")

    @property
    def groups(self) -> int:
        """Of channels."""
        return int(self.node.attrs.get("group", 1))

    @property
    def geometry(self) -> tuple[Any, ...]:
        """See Layer."""
        attrs = tuple((name, str(value)) for name, value in sorted(self.node.attrs.items()))
        return (self.node.op, attrs, tuple(self.weight.shape)[2:])

    @property
    def shape(self) -> tuple[int, int, int]:
        """See Layer."""
        first, second, *kernel = (int(size) for size in self.weight.shape)
        size = int(np.prod(kernel))
        if self.transposed:
            return self.groups, first // self.groups * size, second
        return self.groups, second * size, first // self.groups

    def window(self, x_shape: Sequence[int], y_shape: Sequence[int]) -> Window:
        """Its geometry on an input of this shape."""
        kernel = [int(size) for size in self.weight.shape[2:]]
        if self.transposed:
            return transposed_window_of(self.node.attrs, x_shape, y_shape, kernel)
        return window_of(self.node.attrs, x_shape, kernel)

    def rows(self, x: Array, y_shape: Sequence[int], chosen: Array) -> Array:
        """See Layer."""
        seen = self.window(x.shape, y_shape).rows(x, chosen)
        grouped = seen.reshape(len(chosen), self.groups, -1)
        return np.ascontiguousarray(grouped.transpose(1, 0, 2))

    def outputs(self, y: Array, chosen: Array) -> Array:
        """See Layer."""
        flat = np.moveaxis(y, 1, -1).reshape(-1, y.shape[1])[chosen]
        return flat.reshape(len(chosen), self.groups, -1).transpose(1, 0, 2)

    def positions(self, y_shape: Sequence[int]) -> int:
        """See Layer."""
        return int(y_shape[0] * np.prod(y_shape[2:]))

    def matrix(self, values: Array) -> Array:
        """See Layer."""
        groups, kernel = self.groups, values.shape[2:]
        if self.transposed:
            flipped = np.flip(values, tuple(range(2, values.ndim))).reshape(groups, -1, values.shape[1], *kernel)
            return np.moveaxis(flipped, 2, -1).reshape(groups, -1, values.shape[1])
        return values.reshape(groups, values.shape[0] // groups, -1).transpose(0, 2, 1)

    def unmatrix(self, matrix: Array) -> Array:
        """See Layer."""
        groups, _, outputs = matrix.shape
        kernel = tuple(int(size) for size in self.weight.shape[2:])
        if self.transposed:
            flipped = np.moveaxis(matrix.reshape(groups, -1, *kernel, outputs), -1, 2).reshape(-1, outputs, *kernel)
            return np.flip(flipped, tuple(range(2, flipped.ndim)))
        return matrix.transpose(0, 2, 1).reshape(groups * outputs, -1, *kernel)
