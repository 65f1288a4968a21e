"""L1 magnitude (Li et al., "Pruning Filters for Efficient ConvNets", arXiv:1608.08710)."""

from __future__ import annotations

import numpy as np

from compressor.passes.scores import ScoreContext, criterion
from compressor.passes.slices import Scores


@criterion("l1", by_slices=True)
def l1(context: ScoreContext) -> Scores:
    """slice = sum of |w|; float64 [label ids]."""
    return context.over_elements(np.abs)
