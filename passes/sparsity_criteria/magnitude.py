"""Magnitude (Han et al., "Learning both Weights and Connections", arXiv:1506.02626)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compressor.passes.products import Product
from compressor.passes.shape_values import Array
from compressor.passes.sparsity import weight_criterion


@weight_criterion("magnitude")
def magnitude(product: Product, values: Array, moments: NDArray[np.float64] | None) -> Array:
    """|w|, of the weight's shape."""
    return np.abs(values)
