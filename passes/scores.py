"""Scores of atoms, and the registry of criteria.

A criterion gives each coupled slice a number; an atom's score is their sum (or mean, or largest), so a
channel counts what produces it and what consumes it (the group importance of DepGraph,
arXiv:2301.12900). To add one: a function in a file of ``passes/criteria`` under ``@criterion("name")``.
Every call works on the graph at hand: nothing is kept from one step of a schedule to the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, get_args

import numpy as np

from compressor.errors import UsageError
from compressor.passes.analysis import Analysis
from compressor.passes.shape_values import Array
from compressor.passes.slices import Combine, Reduction, Scores, Weight, chunks, weights_of
from compressor.passes.statistics import Need, Statistics
from compressor.registry import Registry

Importance: TypeAlias = Callable[[Weight, int, Array], Array | None]
"""(weight, first index along axis 0, values from there on) -> a number for each element; None: does not count."""


class ScoreContext:
    """What a criterion may look at.

    Attributes:
        analysis: the analysed graph.
        seed: for criteria that draw.
        combine: how numbers of coupled slices become one: see ``Reduction``.
    """

    def __init__(
        self, analysis: Analysis, seed: int, statistics: Statistics | None = None, combine: Combine = "sum"
    ) -> None:
        if combine not in get_args(Combine):
            raise UsageError(f"unknown combination {combine!r}", fix=f"Known: {', '.join(get_args(Combine))}.")
        self.analysis = analysis
        self.seed = seed
        self.combine = combine
        self._statistics = statistics

    @property
    def has_statistics(self) -> bool:
        """Whether there is data."""
        return self._statistics is not None

    @property
    def statistics(self) -> Statistics:
        """What data tells; asked anew for every score.

        Raises:
            UsageError: there is no data.
        """
        if self._statistics is None:
            raise UsageError("the criterion needs data", fix=_GIVE_DATA)
        return self._statistics

    def reduction(self) -> Reduction:
        """An empty reduction of slices to label ids."""
        return Reduction(self.analysis.state.store, self.combine)

    def weights(self) -> list[Weight]:
        """Every initializer that some cut reaches."""
        return weights_of(self.analysis)

    def over_elements(self, importance: Callable[[Array], Array]) -> Scores:
        """Float64 [label ids]: ``over_slices`` for an importance that depends on an element's value alone."""
        return self.over_slices(lambda weight, start, values: importance(values))

    def over_slices(self, importance: Importance, finish: Callable[[Scores], Scores] | None = None) -> Scores:
        """Float64 [label ids]: importances added up in each slice, then combined over coupled slices.

        Args:
            importance: of each element.
            finish: what makes of a slice's sum the slice's number, which must not be negative.

        Raises:
            GraphError: an initializer holds NaN, which no criterion can rank.
        """
        reduction = self.reduction()
        for weight in self.weights():
            totals = [np.zeros(labels.size, np.float64) for _, labels in weight.axes]
            counts = False
            for start, values in chunks(weight):
                with np.errstate(over="ignore"):  # an importance beyond the type's range is infinite: it goes last
                    numbers = importance(weight, start, values)
                if numbers is None:
                    continue
                counts = True
                for (axis, _), total in zip(weight.axes, totals, strict=True):
                    along = numbers.sum(axis=tuple(i for i in range(values.ndim) if i != axis), dtype=np.float64)
                    if axis == 0:
                        total[start : start + along.size] = along
                    else:
                        total += along
            for (_, labels), total in zip(weight.axes, totals, strict=True):
                if counts:
                    reduction.add(labels, finish(total) if finish else total)
        return reduction.scores()


def needs_data(name: str, needs: tuple[Need, ...]) -> UsageError:
    """The error of a criterion that was given none."""
    return UsageError(f"criterion {name!r} needs data for {' and '.join(needs)}", fix=_GIVE_DATA)


_GIVE_DATA = "Give some with --data: path.py:function, an .npz file or a folder of pictures."


@dataclass(frozen=True)
class Criterion:
    """A registered criterion; calling it gives float64 [label ids], all of them finite or +inf ("must stay").

    Attributes:
        name: as registered.
        function: computes the scores.
        needs: what it must be given: statistics of "activations", or "gradients".
        comparable: scores mean the same in every space, so that scope "global" takes them as they are.
        by_slices: it ranks by ``ScoreContext.over_slices`` alone, so that positions inside the groups of a convolution
            can be told apart by it; where not, they are lined up by the magnitude of their weights.
    """

    name: str
    function: Callable[[ScoreContext], Scores]
    needs: tuple[Need, ...] = ()
    comparable: bool = False
    by_slices: bool = False

    def __call__(self, context: ScoreContext) -> Scores:
        """Scores: float64 [label ids].

        Raises:
            UsageError: it needs data and there is none, or the data leads to no numbers.
            GraphError: an initializer holds NaN.
        """
        if self.needs:
            if not context.has_statistics:
                raise needs_data(self.name, self.needs)
            for weight in context.weights():
                for _ in chunks(weight):  # refuses NaN by name, before it spreads through the data
                    pass
        scores = self.function(context)
        if np.isnan(scores).any():
            raise UsageError(f"criterion {self.name!r} gives no numbers", fix="Check the data's scale, and for NaN.")
        return scores


CRITERIA: Registry[Criterion] = Registry("criterion", "compressor.passes.criteria")
"""Criteria: what a channel is worth, one file each."""


def criterion(
    name: str, *, needs: tuple[Need, ...] = (), comparable: bool = False, by_slices: bool = False
) -> Callable[[Callable[[ScoreContext], Scores]], Criterion]:
    """Decorator that registers a function of the context as a criterion.

    Args:
        name: to register it under.
        needs, comparable, by_slices: as ``Criterion`` has them.
    """

    def add(function: Callable[[ScoreContext], Scores]) -> Criterion:
        return CRITERIA.register(name)(Criterion(name, function, needs, comparable, by_slices))

    return add
