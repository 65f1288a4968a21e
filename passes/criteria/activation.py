"""Weights times the activations they meet (Wanda: Sun et al., arXiv:2306.11695)."""

from __future__ import annotations

import numpy as np

from compressor.passes.products import products_of
from compressor.passes.scores import ScoreContext, criterion
from compressor.passes.shape_values import Array
from compressor.passes.slices import Scores, Weight


@criterion("activation", needs=("activations",), by_slices=True)
def activation(context: ScoreContext) -> Scores:
    """slice = sum of |w| times the root mean square of the input channel that w multiplies; float64 [label ids].

    Only weights of products (convolutions, matrices) count. One that several nodes read counts with the mean square
    over their inputs.
    """
    products = products_of(context.analysis)
    squares: dict[str, list[Array]] = {}
    for product, moments in zip(products, context.statistics.second_moments(context.analysis, products), strict=True):
        factors = product.channel_factors(np.sqrt(moments), tuple(context_shape(context, product.node, product.weight)))
        squares.setdefault(product.initializer, []).append(factors**2)
    norms = {name: np.sqrt(np.mean(np.stack(found), axis=0)) for name, found in squares.items()}

    def weighted(weight: Weight, start: int, values: Array) -> Array | None:
        norm = norms.get(weight.name)
        if norm is None:
            return None
        factors: Array = norm[start : start + values.shape[0]] if norm.shape[0] > 1 else norm
        return np.asarray(np.abs(values) * factors)

    return context.over_slices(weighted)


def context_shape(context: ScoreContext, node: int, slot: int) -> tuple[int, ...]:
    """Shape of the initializer that a node reads."""
    return tuple(context.analysis.nodes[node].inputs[slot].shape)
