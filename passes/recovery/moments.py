"""Streaming second moments of a layer's inputs and targets: memory grows with widths squared, not with samples."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compressor.passes.shape_values import Array

Matrix = NDArray[np.float64]


@dataclass
class Moments:
    """Sums over rows, in float64.

    Attributes:
        groups, inputs: of the rows, [groups, n, inputs].
        outputs: widths of the targets, [groups, n, outputs] each.
        full: with the inputs' products; without them only means are known.
        count: rows so far.
    """

    groups: int
    inputs: int
    outputs: tuple[int, ...]
    full: bool = True
    count: int = 0
    square: Matrix = field(init=False)
    cross: list[Matrix] = field(init=False)
    input_sum: Matrix = field(init=False)
    output_sums: list[Matrix] = field(init=False)

    def __post_init__(self) -> None:
        width = self.inputs if self.full else 0
        self.square = np.zeros((self.groups, width, width))
        self.cross = [np.zeros((self.groups, width, outputs)) for outputs in self.outputs]
        self.input_sum = np.zeros((self.groups, self.inputs))
        self.output_sums = [np.zeros((self.groups, outputs)) for outputs in self.outputs]

    def add(self, rows: Array, targets: list[Array]) -> None:
        """Count rows [groups, n, inputs] and their targets."""
        rows = np.ascontiguousarray(rows, np.float64)
        self.count += rows.shape[1]
        self.input_sum += rows.sum(axis=1)
        for total, target in zip(self.output_sums, targets, strict=True):
            total += target.sum(axis=1, dtype=np.float64)
        if not self.full:
            return
        with np.errstate(invalid="ignore", over="ignore"):  # ``finite`` is asked afterwards
            for group in range(self.groups):  # one product each: BLAS computes half of a symmetric one
                transposed = rows[group].T
                self.square[group] += transposed @ rows[group]
                for cross, target in zip(self.cross, targets, strict=True):
                    cross[group] += transposed @ target[group].astype(np.float64)

    def finite(self) -> bool:
        """Whether all sums are numbers."""
        sums = [self.square, *self.cross, self.input_sum, *self.output_sums]
        return all(bool(np.isfinite(total).all()) for total in sums)

    def system(self, number: int, centred: bool) -> tuple[Matrix, Matrix]:
        """Mean products (inputs x inputs, inputs x outputs) for target ``number``; without means where centred."""
        square, cross = self.square / self.count, self.cross[number] / self.count
        if centred:
            x, y = self.means(number)
            square = square - x[:, :, None] * x[:, None, :]
            cross = cross - x[:, :, None] * y[:, None, :]
        return square, cross

    def means(self, number: int) -> tuple[Matrix, Matrix]:
        """Mean input [groups, inputs] and mean target [groups, outputs]."""
        return self.input_sum / self.count, self.output_sums[number] / self.count


def ridge(square: Matrix, cross: Matrix, start: Matrix, strength: float) -> Matrix:
    """The weight that minimises mean ||y - x W||^2 + r ||W - start||^2, r = ``strength`` x mean of the diagonal.

    Args:
        square: [groups, inputs, inputs], mean x x^T.
        cross: [groups, inputs, outputs], mean x y^T.
        start: [groups, inputs, outputs]; what the weight is drawn to. Where it is optimal already, it is the answer.
        strength: above 0.
    """
    width = square.shape[-1]
    scale = strength * np.trace(square, axis1=1, axis2=2) / max(width, 1)
    damped = square + np.maximum(scale, np.finfo(np.float64).tiny)[:, None, None] * np.eye(width)
    answer: Matrix = start + np.linalg.solve(damped, cross - square @ start)
    return answer
