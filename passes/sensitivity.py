"""How much of a layer's error arrives at the network's outputs, found by trying: weights are shaken, outputs compared.

A relative error of a classifier's last layer is one of the result; in a residual branch most of it drowns in the
stream that the branch is added to. On a ResNet-20 the sensitivities of layers lie a factor of thirty apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compressor.passes.products import Product
from compressor.passes.scores import ScoreContext
from compressor.passes.shape_values import Array
from compressor.passes.statistics import Moments
from compressor.tensor_values import peek

_SHAKEN = 0.1  # standard deviation of what is added to a weight, as a share of it
_SAMPLES, _FEWEST = 1024, 4  # samples run, all layers together: as many as one walk over the usual data; of each layer
_LEAST = 1e-3  # of the median: no layer counts for nothing


class Sensitivities:
    """Of every product of a graph.

    Args:
        context: statistics run the changed graphs.
        products: the layers; each takes a run of the model on a few samples.
    """

    def __init__(self, context: ScoreContext, products: Sequence[Product]) -> None:
        self._context = context
        samples = max(_FEWEST, _SAMPLES // max(1, len(products)))
        changes = ((product, _weight(context, product) + self._shake(product)) for product in products)
        errors = np.array(list(context.statistics.output_errors(context.analysis, changes, samples)))
        seen = errors[np.isfinite(errors) & (errors > 0)]
        self._errors: dict[int, float] = {}  # empty where no output is a floating-point one: all layers count alike
        if seen.size:
            middle = float(np.median(seen))
            errors = np.where(np.isfinite(errors), np.maximum(errors, _LEAST * middle), middle)
            self._errors = dict(zip((product.node for product in products), errors.tolist(), strict=True))

    def of(self, product: Product, moments: Moments, variance: float) -> float:
        """Error of the outputs over error of the layer, both squared and relative to the variance.

        Args:
            product: one of the layers.
            moments: of the rows that it reads.
            variance: of its outputs, added up; above 0.
        """
        if not self._errors:
            return 1.0
        change = product.matrices(self._shake(product))
        own = float(np.einsum("gok,gkl,gol->", change, moments.covariance, change, optimize=True)) / variance
        return self._errors[product.node] / own if own > 0 else 0.0

    def _shake(self, product: Product) -> Array:
        """What is added to the layer's weight: the same whenever it is asked for."""
        weight = _weight(self._context, product)
        rng = np.random.default_rng([self._context.seed, product.node])
        return np.asarray(weight * (_SHAKEN * rng.standard_normal(weight.shape)))


def _weight(context: ScoreContext, product: Product) -> Array:
    """Float64, of the initializer's shape."""
    return np.asarray(peek(context.analysis.nodes[product.node].inputs[product.weight]), np.float64)
