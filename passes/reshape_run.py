"""A run of axes that a reshape turns into another, at every size of the dynamic dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from compressor.passes.contrib_shapes import Shape
from compressor.passes.split_merge import refine

Piece: TypeAlias = tuple[int, int]  # size of one of the finest axes, at both probes


@dataclass(frozen=True)
class Run:
    """Axes that hold the same elements before and after.

    Attributes:
        before, after: their sizes, each at both probes.
    """

    before: tuple[Shape, Shape]
    after: tuple[Shape, Shape]

    def finest(self) -> list[list[Piece]] | None:
        """For each axis before, the finest axes that it is cut into.

        None when both sides are merges of no common axes, or of others at the second probe: then the
        dynamic sizes decide which index goes where.
        """
        one = refine(self.before[0], self.after[0])
        two = refine(self.before[1], self.after[1])
        if one is None or two is None or len(one) != len(two):
            return None
        if any(_counts(one, sizes[0]) != _counts(two, sizes[1]) for sizes in (self.before, self.after)):
            return None
        pieces = list(zip(one, two, strict=True))
        return [[pieces.pop(0) for _ in range(count)] for count in _counts(one, self.before[0])]


def may_straddle(parts: Sequence[Piece]) -> bool:
    """Whether a cut may fall inside an index: half of a batch of 3 is no whole number of rows.

    With what is dynamic in front, the reshape itself refuses sizes that do not divide.
    """
    dynamic = [one != two for one, two in parts]
    return any(later and not earlier for earlier, later in pairwise(dynamic))


def _counts(finest: Sequence[int], sizes: Shape) -> list[int]:
    """How many of the finest axes each of ``sizes`` takes up."""
    counts, position = [], 0
    for size in sizes:
        start, product = position, 1
        while product < size:
            product *= finest[position]
            position += 1
        counts.append(position - start)
    return counts
