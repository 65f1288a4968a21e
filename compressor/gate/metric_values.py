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
from compressor.gate import intervals

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
        """Of the mean over samples (``intervals``); a number alone is its own. None where it is not finite."""
        if not np.isfinite(self.values).all():
            return None
        if not self.by_sample:
            return self.mean, self.mean
        return intervals.of_mean(self.values, 0)

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

    Values by sample are paired, so that what is hard for both cancels. The interval reaches from minus infinity to
    infinity where there are too few of them.

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
    interval = intervals.of_difference(a.values, b.values, seed) if a.by_sample else (estimate, estimate)
    return estimate, *interval
