"""First-order Taylor expansion of the loss (Molchanov et al., arXiv:1611.06440 and arXiv:1906.10771)."""

from __future__ import annotations

import numpy as np

from compressor.passes.gradient_scores import mean_gradients, weighted_by
from compressor.passes.scores import ScoreContext, criterion
from compressor.passes.slices import Scores


@criterion("taylor", needs=("gradients",), by_slices=True)
def taylor(context: ScoreContext) -> Scores:
    """slice = sum of |w g|, g the gradient of the mean loss; float64 [label ids].

    Needs labels: with labels drawn from the model's own predictions, g is zero but for noise.
    """
    gradients = mean_gradients(context.statistics.gradients(context.analysis, "given"))
    return context.over_slices(weighted_by(gradients, lambda w, g: np.abs(w * g)))


@criterion("taylor-group", needs=("gradients",), by_slices=True)
def taylor_group(context: ScoreContext) -> Scores:
    """slice = (sum of w g)^2: the change of the loss when the whole slice goes, squared; float64 [label ids]."""
    gradients = mean_gradients(context.statistics.gradients(context.analysis, "given"))
    return context.over_slices(weighted_by(gradients, np.multiply), finish=np.square)
