"""Importances that multiply weights by what the loss says of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from compressor.passes.scores import Importance
from compressor.passes.shape_values import Array
from compressor.passes.slices import Weight
from compressor.passes.statistics import GradientSums

Mean = Mapping[str, NDArray[np.float64]]


def mean_gradients(found: GradientSums) -> Mean:
    """Initializer name -> gradient of the mean loss, of its shape."""
    return {name: np.asarray(sums[0], np.float64) / found.samples for name, sums in found.sums.items()}


def mean_squares(found: GradientSums) -> Mean:
    """Initializer name -> mean over samples of the squared gradient: the Fisher diagonal, of its shape."""
    return {name: np.asarray(sums[1], np.float64) / found.samples for name, sums in found.sums.items()}


def weighted_by(factors: Mean, formula: Callable[[Array, Array], Array]) -> Importance:
    """``formula(values, factors)`` element by element; initializers that training does not move do not count."""

    def importance(weight: Weight, start: int, values: Array) -> Array | None:
        factor = factors.get(weight.name)
        if factor is None:
            return None
        return formula(values.astype(np.float64), factor[start : start + values.shape[0]])

    return importance
