"""L1 magnitude (Li et al., "Pruning Filters for Efficient ConvNets", arXiv:1608.08710)."""

from __future__ import annotations

import numpy as np

from compressor.passes.scores import CRITERIA, ScoreContext, Scores


@CRITERIA.register("l1")
def l1(context: ScoreContext) -> Scores:
    """score(atom) = sum of |w| over all coupled slices; float64 [label ids]."""
    return context.sum_over_slices(np.abs)
