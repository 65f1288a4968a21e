"""Diagonal Fisher information (Theis et al., arXiv:1801.05787; Kunstner et al. on its two forms, arXiv:1905.12558)."""

from __future__ import annotations

from compressor.passes.gradient_scores import mean_squares, weighted_by
from compressor.passes.scores import ScoreContext, criterion
from compressor.passes.slices import Scores
from compressor.passes.statistics import Labelling


@criterion("fisher", needs=("gradients",), by_slices=True)
def fisher(context: ScoreContext) -> Scores:
    """slice = sum of w^2 E[g^2] / 2, g a sample's gradient with the labels given (empirical); float64 [label ids].

    Without labels it is "fisher-sampled".
    """
    return _fisher(context, "given or sampled")


@criterion("fisher-sampled", needs=("gradients",), by_slices=True)
def fisher_sampled(context: ScoreContext) -> Scores:
    """As "fisher" with labels drawn from the model's own predictions: the true Fisher diagonal; needs no labels."""
    return _fisher(context, "sampled")


def _fisher(context: ScoreContext, labels: Labelling) -> Scores:
    squares = mean_squares(context.statistics.gradients(context.analysis, labels))
    return context.over_slices(weighted_by(squares, lambda w, f: w * w * f / 2))
