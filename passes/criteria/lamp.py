"""Layer-adaptive magnitude (Lee et al., "LAMP", arXiv:2010.07611), for channels as in DepGraph (arXiv:2301.12900)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compressor.passes.scores import ScoreContext, criterion
from compressor.passes.slices import Scores


@criterion("lamp", comparable=True, by_slices=True)
def lamp(context: ScoreContext) -> Scores:
    """m = combined slices of w^2; score = m / (sum of the m in its space that are not smaller); float64 [label ids].

    The largest of every space scores 1, so a global ranking never empties a layer. Within a space the order is L2's.
    """
    magnitudes = context.over_elements(np.square)
    scores = np.zeros_like(magnitudes)
    for space in context.analysis.spaces:
        scores[space.atoms] = share_of_survivors(magnitudes[space.atoms])
    return scores


def share_of_survivors(magnitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each number divided by the sum of itself and all that come after it in ascending order (0 where that is 0)."""
    order = np.argsort(magnitudes, kind="stable")
    left = np.cumsum(magnitudes[order][::-1])[::-1]
    shares = np.zeros_like(magnitudes)
    shares[order] = np.divide(magnitudes[order], left, out=np.zeros_like(left), where=left > 0)
    return shares
