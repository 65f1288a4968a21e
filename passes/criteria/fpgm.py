"""Distance to the geometric median (He et al., "Filter Pruning via Geometric Median", arXiv:1811.00250)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compressor.passes.scores import ScoreContext, criterion
from compressor.passes.shape_values import Array
from compressor.passes.slices import Scores, chunks
from compressor.tensor_values import peek

_BLOCK_NUMBERS = 1 << 22  # distances held at once


@criterion("fpgm")
def fpgm(context: ScoreContext) -> Scores:
    """slice i of n = sum over j of ||w_i - w_j||_2 within its weight; float64 [label ids].

    The slice nearest to the geometric median of all has the smallest sum: the others can best stand in for it.
    Weights of one axis (biases, scales) do not count.
    """
    reduction = context.reduction()
    for weight in context.weights():
        for _ in chunks(weight):  # refuses weights that hold NaN
            pass
        if len(weight.tensor.shape) < 2:
            continue
        for axis, labels in weight.axes:
            values: Array = np.moveaxis(peek(weight.tensor), axis, 0)
            reduction.add(labels, distance_sums(values.reshape(values.shape[0], -1).astype(np.float64)))
    return reduction.scores()


def distance_sums(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of Euclidean distances from each of ``points`` [n, d] to all: float64 [n], in bounded memory."""
    squares = np.einsum("nd,nd->n", points, points)
    sums = np.empty(points.shape[0])
    rows = max(1, _BLOCK_NUMBERS // points.shape[0])
    for start in range(0, points.shape[0], rows):
        block = slice(start, start + rows)
        apart = squares[block, None] + squares - 2 * (points[block] @ points.T)
        sums[block] = np.sqrt(np.maximum(apart, 0)).sum(1)
    return sums
