"""Scale of the batch norm that follows (Liu et al., "Network Slimming", arXiv:1708.06519)."""

from __future__ import annotations

import numpy as np

from compressor.errors import GraphError
from compressor.passes.scores import ScoreContext, criterion
from compressor.passes.shape_values import Array
from compressor.passes.slices import Scores, Weight

_SCALE = 1  # input slot


@criterion("bn-scale", comparable=True, by_slices=True)
def bn_scale(context: ScoreContext) -> Scores:
    """slice = |scale| of a BatchNormalization; float64 [label ids], +inf for channels that none scales: they stay.

    Raises:
        GraphError: the graph has none: exporters fold them into convolutions.
    """
    nodes, uses = context.analysis.nodes, context.analysis.state.uses
    scales = {
        nodes[node].inputs[slot].name
        for node, slot in uses
        if nodes[node].op == "BatchNormalization" and slot == _SCALE
    }
    if not scales:
        raise GraphError(
            "criterion 'bn-scale' looks at the scales of BatchNormalization nodes, and the graph has none",
            fix="Export the model with its batch norms kept (`compressor export` writes that form), or choose l2.",
        )

    def scale(weight: Weight, start: int, values: Array) -> Array | None:
        return np.abs(values) if weight.name in scales else None

    scaled = context.reduction()
    for weight in context.weights():
        for _, labels in weight.axes if weight.name in scales else ():
            scaled.add(labels, np.ones(labels.size))
    return np.where(scaled.scores() > 0, context.over_slices(scale), np.inf)
