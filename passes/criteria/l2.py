"""L2 magnitude of the whole group (group norm as in DepGraph, arXiv:2301.12900)."""

from __future__ import annotations

import numpy as np

from compressor.passes.scores import ScoreContext, criterion
from compressor.passes.slices import Scores


@criterion("l2", by_slices=True)
def l2(context: ScoreContext) -> Scores:
    """slice = sum of w^2; score(atom) = square root of the combined slices; float64 [label ids]."""
    return np.sqrt(context.over_elements(np.square))
