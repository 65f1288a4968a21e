"""L1 magnitude (Li et al., "Pruning Filters for Efficient ConvNets", arXiv:1608.08710)."""

from __future__ import annotations

import numpy as np

from compressor.passes.scores import CRITERIA, ScoreContext, Scores, other_axes


@CRITERIA.register("l1")
def l1(context: ScoreContext) -> Scores:
    """score(atom) = sum of |w| over all coupled slices; float64 [label ids]."""
    return context.sum_over_slices(
        lambda values, axis: np.abs(values).sum(axis=other_axes(values, axis), dtype=np.float64)
    )
