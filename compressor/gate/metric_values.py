"""What the user's function says about a model, by sample or as one number, and intervals of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.errors import UsageError

CONFIDENCE = 0.95
_RESAMPLES = 4000
_CHUNK_VALUES = 4_000_000
_MOST_VALUES = 10_000_000
_FIX = "Return a number, or a one-dimensional array with a number for each sample."


@dataclass(frozen=True)
class Values:
    """A figure.

    Attributes:
        values: one for each sample, or the only one.
        by_sample: whether they are for samples.
    """

    values: NDArray[np.float64]
    by_sample: bool

    @property
    def mean(self) -> float:
        """The figure."""
        return float(self.values.mean())

    @property
    def count(self) -> int | None:
        """Samples, None where there is one number only."""
        return len(self.values) if self.by_sample else None

    def interval(self) -> tuple[float, float] | None:
        """Of the mean, by a bootstrap over samples; a number alone is its own. None where it is not finite."""
        if not np.isfinite(self.values).all():
            return None
        if not self.by_sample:
            return self.mean, self.mean
        return _bootstrap(self.values, 0)

    def to_json(self) -> dict[str, Any]:
        """For a later gate; what is not finite is None."""
        return {
            "by_sample": self.by_sample,
            "values": [value if math.isfinite(value) else None for value in self.values.tolist()],
        }


def evaluated(function: Callable[[str], Any], path: Path) -> Values:
    """Call the user's function.

    Raises:
        UsageError: it raised, or returned something else.
    """
    found = function(str(path))
    name = str(getattr(function, "spec", getattr(function, "__name__", "the function")))
    try:
        array = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"returned {type(found).__name__}", where=name, fix=_FIX) from error
    if array.ndim > 1 or array.size == 0 or array.size > _MOST_VALUES:
        raise UsageError(f"returned an array of shape {array.shape}", where=name, fix=_FIX)
    return Values(array.reshape(-1), array.ndim == 1)


def from_kept(kept: dict[str, Any]) -> Values:
    """What ``Values.to_json`` wrote.

    Raises:
        UsageError: it did not write this.
    """
    try:
        values = np.asarray([math.nan if value is None else value for value in kept["values"]], dtype=np.float64)
        by_sample = bool(kept["by_sample"])
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError("the stored result's metric cannot be read", fix="Give the baseline's file.") from error
    if values.ndim != 1 or values.size == 0 or (values.size > 1 and not by_sample):
        raise UsageError("the stored result's metric cannot be read", fix="Give the baseline's file.")
    return Values(values, by_sample)


def difference_of(a: Values, b: Values, seed: int) -> tuple[float, float, float] | None:
    """(b - a, lower, upper end of its interval); None where a number is not finite.

    Values by sample are paired: the same samples are drawn of both, so that what is hard for both cancels.

    Raises:
        UsageError: one is by sample and the other not, or the numbers of samples differ.
    """
    if a.by_sample != b.by_sample or len(a.values) != len(b.values):
        shown = " and ".join(f"{one.count} values" if one.by_sample else "one number" for one in (a, b))
        raise UsageError(f"the metric gave {shown} for the two models", fix="Evaluate both on the same samples.")
    difference = b.values - a.values
    if not np.isfinite(difference).all():
        return None
    estimate = float(difference.mean())
    return (estimate, *_bootstrap(difference, seed)) if a.by_sample else (estimate, estimate, estimate)


def _bootstrap(values: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Percentile interval of the mean.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    rng, count = np.random.default_rng(seed), len(values)
    step = max(1, _CHUNK_VALUES // count)
    means = np.concatenate(
        [
            values[rng.integers(0, count, (min(step, _RESAMPLES - start), count))].mean(axis=1)
            for start in range(0, _RESAMPLES, step)
        ]
    )
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
