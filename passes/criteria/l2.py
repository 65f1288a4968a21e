"""L2 magnitude of the whole group (group norm as in DepGraph, arXiv:2301.12900)."""

from __future__ import annotations

import numpy as np

from compressor.passes.scores import CRITERIA, ScoreContext, Scores


@CRITERIA.register("l2")
def l2(context: ScoreContext) -> Scores:
    """score(atom) = square root of the sum of w^2 over all coupled slices; float64 [label ids]."""
    return np.sqrt(context.sum_over_slices(np.square))
