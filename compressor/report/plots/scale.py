"""Axes: from values to places in a picture, with round numbers at the ticks."""

from __future__ import annotations

import math
from dataclasses import dataclass

_MOST_TICKS = 6
_STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Scale:
    """A linear axis.

    Attributes:
        low, high: values at its ends.
        start, end: places of its ends.
    """

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def around(cls, values: list[float], start: float, end: float, margin: float = 0.06) -> Scale:
        """An axis that holds all values, with a margin; one value alone stands in the middle."""
        low, high = min(values), max(values)
        largest = max(abs(low), abs(high))
        same = high - low <= 1e-9 * largest
        room = max(largest * 0.1, 1e-9) if same else (high - low) * margin
        return cls(low - room, high + room, start, end)

    def place(self, value: float) -> float:
        """Where a value is, to a hundredth of a unit."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self) -> list[tuple[float, str]]:
        """(place, words) of round values."""
        span = self.high - self.low
        power = 10.0 ** math.floor(math.log10(span / _MOST_TICKS))
        step = next(one * power for one in _STEPS if span / (one * power) <= _MOST_TICKS)
        first = math.ceil(self.low / step)
        values = [number * step for number in range(first, math.floor(self.high / step) + 1)]
        digits = max(0, -math.floor(math.log10(step)) + (1 if step / power == 2.5 else 0))
        return [(self.place(value), f"{value:.{min(digits, 9)}f}" if abs(value) < 1e6 else f"{value:.3g}")
                for value in values]  # fmt: skip
