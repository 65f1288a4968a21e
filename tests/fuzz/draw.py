"""Where a generator's choices come from: a seeded stream, hypothesis, or a recorded list that can be shrunk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st

T = TypeVar("T")


class Draw(ABC):
    """Integers in a range; the lowest is the simplest. Every choice is recorded."""

    def __init__(self) -> None:
        self.choices: list[int] = []

    @abstractmethod
    def _integer(self, low: int, high: int) -> int: ...

    def integer(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``, both included."""
        value = self._integer(low, high)
        self.choices.append(value - low)
        return value

    def pick(self, options: Sequence[T]) -> T:
        """One of ``options``; the first is the simplest."""
        return options[self.integer(0, len(options) - 1)]

    def chance(self, percent: int) -> bool:
        """True in ``percent`` of 100 draws."""
        return self.integer(0, 99) >= 100 - percent


class SeededDraw(Draw):
    """Choices from NumPy's generator."""

    def __init__(self, *seed: int) -> None:
        super().__init__()
        self._rng = np.random.default_rng(seed)

    def _integer(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))


class HypothesisDraw(Draw):
    """Choices from hypothesis, which shrinks them."""

    def __init__(self, data: st.DataObject) -> None:
        super().__init__()
        self._data = data

    def _integer(self, low: int, high: int) -> int:
        return self._data.draw(st.integers(low, high))


class ReplayDraw(Draw):
    """Recorded choices; what is too large is cut, what is missing is the simplest."""

    def __init__(self, recorded: Sequence[int]) -> None:
        super().__init__()
        self._left = list(recorded)

    def _integer(self, low: int, high: int) -> int:
        return min(low + self._left.pop(0), high) if self._left else low


def shrink(choices: Sequence[int], fails: Callable[[Sequence[int]], bool], *, tries: int = 400) -> list[int]:
    """A simpler list of choices that still fails: shorter, then with smaller numbers."""
    best, budget = list(choices), [tries]

    def better(candidate: list[int]) -> bool:
        budget[0] -= 1
        return budget[0] >= 0 and fails(candidate)

    progress = True
    while progress and budget[0] > 0:
        progress = False
        size = max(len(best) // 2, 1)
        while size:
            start = 0
            while start < len(best):
                shorter = best[:start] + best[start + size :]
                if better(shorter):
                    best, progress = shorter, True
                else:
                    start += size
            size //= 2
        for i in range(len(best)):
            for smaller in (0, best[i] // 2, best[i] - 1):
                lower = [*best[:i], smaller, *best[i + 1 :]]
                if 0 <= smaller < best[i] and better(lower):
                    best, progress = lower, True
                    break
    return best
