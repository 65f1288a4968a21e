"""Intervals of a mean over samples, which have width also where the samples at hand do not differ.

A bootstrap draws what it was given: of twenty right answers it makes nothing but right ones, though a model that is
right nine times in ten gives twenty in a row one time in eight. Right and wrong (1 and 0) get score intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
FEWEST_SAMPLES = 20  # of other figures: a bootstrap of fewer is too narrow by far
_Z = 1.959964  # the normal quantile that leaves 2.5 % on each side
_RESAMPLES = 4000
_CHUNK_VALUES = 4_000_000
_HALVINGS = 50
Interval = tuple[float, float]
NOTHING_KNOWN: Interval = (-math.inf, math.inf)


def of_mean(values: NDArray[np.float64], seed: int) -> Interval:
    """Of the mean of the population that ``values`` are drawn from; ``NOTHING_KNOWN`` of too few.

    Args:
        values: finite, one for each sample. Ones and zeros are seen as right and wrong.
        seed: of the bootstrap.

    Source: Wilson, Probable Inference, JASA 22 (1927), for right and wrong.
    """
    count = len(values)
    if not is_right_or_wrong(values):
        return _bootstrap(values, seed)
    share, z2 = float(values.mean()), _Z * _Z
    centre = share + z2 / (2 * count)
    half = _Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count))
    low, high = ((centre + sign * half) / (1 + z2 / count) for sign in (-1, 1))
    return min(share, max(0.0, low)), max(share, min(1.0, high))  # rounding must not shut the share itself out


def of_difference(before: NDArray[np.float64], after: NDArray[np.float64], seed: int) -> Interval:
    """Of the mean of ``after - before``, pair by pair of the same samples; ``NOTHING_KNOWN`` of too few.

    Source: Tango, Equivalence Test and Confidence Interval for the Difference in Proportions for the Paired-Sample
    Design, Statistics in Medicine 17 (1998), for right and wrong.
    """
    if not (is_right_or_wrong(before) and is_right_or_wrong(after)):
        return _bootstrap(after - before, seed)
    gained, lost, count = int((after > before).sum()), int((after < before).sum()), len(before)
    estimate = (gained - lost) / count
    low = _where(lambda change: _score(gained, lost, count, change) < _Z, -1.0, estimate)
    high = _where(lambda change: _score(gained, lost, count, change) < -_Z, estimate, 1.0)
    return low, high


def is_right_or_wrong(values: NDArray[np.float64]) -> bool:
    """Whether there are only ones and zeros."""
    return bool(np.isin(values, (0.0, 1.0)).all())


def _score(gained: int, lost: int, count: int, change: float) -> float:
    """How many standard deviations what was seen lies above a true ``change``; it falls as that rises.

    The share that is lost is estimated under the hypothesis: the likelihood's maximum given ``change``.
    """
    linear = (2 * count - gained + lost) * change - gained - lost
    root = math.sqrt(max(0.0, linear * linear + 8 * count * lost * change * (1 - change)))
    share_lost = (root - linear) / (4 * count)
    variance = count * (2 * share_lost + change * (1 - change))
    distance = gained - lost - count * change
    return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance)


def _where(reached: Callable[[float], bool], low: float, high: float) -> float:
    """The point from which on ``reached`` holds, by halving."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return (low + high) / 2


def _bootstrap(values: NDArray[np.float64], seed: int) -> Interval:
    """Percentile interval of the mean.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    rng, count = np.random.default_rng(seed), len(values)
    if count < FEWEST_SAMPLES:
        return NOTHING_KNOWN
    step = max(1, _CHUNK_VALUES // count)
    means = np.concatenate(
        [
            values[rng.integers(0, count, (min(step, _RESAMPLES - start), count))].mean(axis=1)
            for start in range(0, _RESAMPLES, step)
        ]
    )
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
