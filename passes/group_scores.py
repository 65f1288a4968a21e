"""What a criterion says of every position in every group of a convolution.

A criterion scores atoms, and one atom is position j of all groups. Here the importance of the same elements is added
up group by group, so that ``group_alignment`` lines up what the criterion finds least important in each.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from compressor.passes.analysis import Analysis
from compressor.passes.group_alignment import Grouping, by_position, find_groupings
from compressor.passes.scores import Criterion, Importance, ScoreContext
from compressor.passes.slices import Combine, Scores, chunks
from compressor.passes.statistics import Statistics

PositionScores = dict[str, NDArray[np.float64]]


def position_scores(
    analysis: Analysis, criterion: Criterion, *, seed: int = 0, statistics: Statistics | None = None,
    combine: Combine = "sum",
) -> PositionScores:  # fmt: skip
    """Float64 [groups, width] by the name of each space whose positions may be chosen group by group.

    Empty for criteria that do not score element by element; spaces that a criterion says nothing of are left out.

    Args:
        analysis, seed, statistics, combine: see ``ScoreContext``.
        criterion: asked once.
    """
    groupings = find_groupings(analysis) if criterion.by_slices else {}
    if not groupings:
        return {}
    context = _PositionContext(analysis, groupings, seed, statistics, combine)
    criterion(context)
    return context.said


class _PositionContext(ScoreContext):
    """As the criterion knows it; keeps what is said of the slices of positions.

    Attributes:
        said: what came of it.
    """

    def __init__(
        self, analysis: Analysis, groupings: dict[str, Grouping], seed: int, statistics: Statistics | None,
        combine: Combine,
    ) -> None:  # fmt: skip
        super().__init__(analysis, seed, statistics, combine)
        self.said: PositionScores = {}
        self._groupings = groupings
        places: dict[str, set[tuple[str, int | None]]] = {}
        for name, grouping in groupings.items():
            for node, slot, axis in grouping.axes:
                places.setdefault(analysis.nodes[node].inputs[slot].name, set()).add((name, axis))
            for node, slot in grouping.weights:
                places.setdefault(analysis.nodes[node].inputs[slot].name, set()).add((name, None))
        self._places = places

    def over_slices(self, importance: Importance, finish: Callable[[Scores], Scores] | None = None) -> Scores:
        """See ScoreContext."""
        for weight in self.weights():
            places = self._places.get(weight.name, ())
            parts = [importance(weight, start, values) for start, values in chunks(weight)] if places else []
            told = [part for part in parts if part is not None]
            for name, axis in places if told else ():
                found = by_position(np.concatenate(told), self._groupings[name], axis)
                number = finish(found) if finish else found
                before = self.said.get(name, np.zeros_like(number))
                self.said[name] = np.maximum(before, number) if self.combine == "max" else before + number
        return super().over_slices(importance, finish)
