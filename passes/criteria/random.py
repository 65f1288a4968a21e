"""Random scores: the baseline that every criterion must beat."""

from __future__ import annotations

import numpy as np

from compressor.passes.scores import ScoreContext, criterion
from compressor.passes.slices import Scores, chunks


@criterion("random")
def random(context: ScoreContext) -> Scores:
    """score(atom) uniform in [0, 1), the same for the same seed; float64 [label ids]."""
    for weight in context.weights():
        for _ in chunks(weight):  # refuses weights that hold NaN, as every criterion does
            pass
    return np.random.default_rng(context.seed).random(len(context.analysis.state.store))
