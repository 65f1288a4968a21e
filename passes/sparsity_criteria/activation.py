"""Magnitude times the activation it meets (Wanda: Sun et al., arXiv:2306.11695)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compressor.passes.products import Product
from compressor.passes.shape_values import Array
from compressor.passes.sparsity import weight_criterion


@weight_criterion("activation", needs_activations=True)
def activation(product: Product, values: Array, moments: NDArray[np.float64] | None) -> Array:
    """|w| times the root mean square of its input channel, of the weight's shape."""
    if moments is None:
        raise ValueError("the activation criterion is only called with moments")
    return np.asarray(np.abs(values) * product.channel_factors(np.sqrt(moments), values.shape), np.float32)
