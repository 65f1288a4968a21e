"""Did the machine change its speed while we measured? The trend of block medians over the run, all models together.

A CPU that gets hot lowers its clock; one that wakes up raises it. Turns are interleaved, so ratios hardly suffer; times
in milliseconds do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_FEWEST_BLOCKS = 12
_MOST_POINTS = 1000  # half a million slopes
_CONFIDENCE = 0.99
_WORTH_SAYING = 0.03


def drift(medians_ms: Mapping[str, NDArray[np.float64]]) -> float | None:
    """Relative change of run times from the first block to the last, 0.05 for 5 % slower; None if none is certain.

    The slope is Theil and Sen's (median of the slopes of all pairs) over each block's time relative to the model's
    median, in the order in which blocks were measured; of more than 1000 blocks, over medians of neighbours.

    Args:
        medians_ms: by model, shape (processes, blocks).

    Source: Sen, Estimates of the Regression Coefficient Based on Kendall's Tau, JASA 63 (1968).
    """
    from scipy.stats import theilslopes

    logs = [np.log(times.ravel() / np.median(times)) for times in medians_ms.values()]
    level = np.median(logs, axis=0)
    if level.size < _FEWEST_BLOCKS:
        return None
    if level.size > _MOST_POINTS:
        level = np.array([np.median(some) for some in np.array_split(level, _MOST_POINTS)])
    slope, _, low, high = theilslopes(level, np.linspace(0, 1, level.size), _CONFIDENCE)
    change = math.expm1(float(slope))
    return change if float(low) * float(high) > 0 and abs(change) > _WORTH_SAYING else None


def drift_warning(change: float | None, *, disturbed: bool) -> list[str]:
    """In plain words; ``disturbed`` says that something else used the machine, which explains it."""
    if change is None:
        return []
    guess = "other programs?" if disturbed else "getting hot?" if change > 0 else "was it still waking up?"
    how = f"{'slower' if change > 0 else 'faster'} ({guess})"
    return [f"Over the run the machine got {abs(change):.0%} {how}: trust the ratios, not the milliseconds."]
