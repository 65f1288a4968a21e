"""Which channels go at a step: chosen by a criterion on the graph as it is by then, or read from a plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

import compressor
from compressor.data_statistics import DataStatistics
from compressor.loaded import Loaded
from compressor.memory_goal import MemoryGoal
from compressor.passes.analysis import Analysis
from compressor.passes.apply_plan import aligned, best_orders, in_original_positions
from compressor.passes.carried_scores import scores_without
from compressor.passes.cost import CostModel
from compressor.passes.group_scores import PositionScores, position_scores
from compressor.passes.labels import Labels
from compressor.passes.plan import Plan, PlanCounts, SpaceCut, atoms_of_cuts, cuts_of
from compressor.passes.scores import CRITERIA
from compressor.passes.selection import Metric, Options, Selection, Target, select
from compressor.passes.slices import Scores


@dataclass(frozen=True)
class Step:
    """What one step takes.

    Attributes:
        share: of the original, that was to be gone after it.
        cuts: what it takes, beside what had gone before.
        before, after: counts of the original, and after this step.
        latency: what was predicted and measured, where that was the target; see ``compressor.latency.loop``.
    """

    share: float
    cuts: list[SpaceCut]
    before: PlanCounts
    after: PlanCounts
    latency: Mapping[str, Any] | None = None


class Chooser(Protocol):
    """Decides what each step takes."""

    @property
    def shares(self) -> Sequence[float]:
        """What is to be gone after each step, of the original."""

    @property
    def made_with(self) -> Mapping[str, Any]:
        """For the plan: how it came about."""

    def step(self, current: Loaded, number: int, gone: Sequence[SpaceCut]) -> Step:
        """What step ``number``, from 1, takes from the graph as trained so far, with all its channels."""


@dataclass(frozen=True)
class ByCriterion:
    """Takes what a criterion finds least important, anew at every step.

    Attributes:
        target: of the last step.
        criterion, options, seed: as ``compress`` has them.
        statistics: of the data, for criteria that look at some.
        shares: cumulative, of the original; the last is the target's.
        schedule: name and settings of what gave them, for the plan; empty for all at once.
        memory: at which sizes the peak of memory counts; None where it does not.
    """

    target: Target
    criterion: str
    options: Options
    seed: int
    statistics: DataStatistics | None
    shares: Sequence[float]
    schedule: Mapping[str, Any] = field(default_factory=dict)
    memory: MemoryGoal | None = None

    @property
    def made_with(self) -> dict[str, Any]:
        """See Chooser."""
        options = self._options()
        return {
            "criterion": self.criterion, "metric": self.target.metric, "keep": self.target.keep,
            "scope": options.scope, "floor": options.floor, "round_to": options.round_to,
            "allow_width": options.allow_width, "align_groups": options.align_groups, "combine": options.combine,
            "normalise": options.normalise, **({"exclude": list(options.exclude)} if options.exclude else {}),
            **({"drop_branches": True} if options.drop_branches else {}),
            **self.schedule, "seed": self.seed, "compressor": compressor.__version__,
            **(self.memory.made_with if self.memory is not None else {}),
        }  # fmt: skip

    def _options(self) -> Options:
        if self.options.normalise is not None:
            return self.options
        return replace(self.options, normalise=not CRITERIA.get(self.criterion).comparable)

    def step(self, current: Loaded, number: int, gone: Sequence[SpaceCut]) -> Step:
        """See Chooser."""
        options, last = self._options(), number == len(self.shares)
        if not last:  # the graph with all its channels, which later steps cut, has nowhere to keep a constant
            options = replace(options, drop_branches=False)
        orders = best_orders(current.analysis, gone, self._positions(current, gone)) if options.align_groups else {}
        analysis = aligned(current.analysis, orders)
        cost = current.cost
        if orders or self.memory is not None:
            cost = CostModel(analysis, None if self.memory is None else self.memory.sizes(analysis.graph))
        before = atoms_of_cuts(gone, analysis)
        scores = scores_without(
            analysis, before, CRITERIA.get(self.criterion), seed=self.seed, statistics=self.statistics,
            combine=options.combine,
        )  # fmt: skip
        target = self.target if last else Target(self.target.metric, 1 - self.shares[number - 1])
        selection, latency = self._select(analysis, cost, scores, target, options, before, last)
        new = np.setdiff1d(selection.atoms, before)
        return Step(
            share=self.shares[number - 1],
            cuts=[in_original_positions(c, orders) for c in cuts_of(analysis, new, scores, self.criterion, before)],
            before=PlanCounts(**vars(selection.before)),
            after=PlanCounts(**vars(selection.after)),
            latency=latency,
        )

    def _positions(self, current: Loaded, gone: Sequence[SpaceCut]) -> PositionScores:
        """What is said of positions inside groups.

        Of later steps by weights alone: on data the graph with all its channels does what none of them does any more.
        """
        criterion = CRITERIA.get(self.criterion)
        if gone and criterion.needs:
            return {}
        return position_scores(
            current.analysis, criterion, seed=self.seed, statistics=self.statistics, combine=self.options.combine
        )

    def _select(
        self, analysis: Analysis, cost: CostModel, scores: Scores, target: Target, options: Options, gone: Labels,
        last: bool,
    ) -> tuple[Selection, Mapping[str, Any] | None]:  # fmt: skip
        """The atoms that go, and what is to be said of their latency."""
        return select(analysis, cost, scores, target, options, gone), None


@dataclass(frozen=True)
class ByPlan:
    """Takes what a plan says, in the steps that it says."""

    plan: Plan

    @property
    def shares(self) -> tuple[float, ...]:
        """See Chooser."""
        if not self.plan.steps:
            return (self.plan.share,)
        return tuple(step.share for step in self.plan.steps)

    @property
    def made_with(self) -> dict[str, Any]:
        """See Chooser."""
        return dict(self.plan.made_with)

    def step(self, current: Loaded, number: int, gone: Sequence[SpaceCut]) -> Step:
        """See Chooser."""
        if not self.plan.steps:
            return Step(self.shares[0], self.plan.cuts, self.plan.before, self.plan.after)
        step = self.plan.steps[number - 1]
        return Step(step.share, step.cuts, self.plan.before, step.after)


def metric_of(made_with: Mapping[str, Any]) -> Metric | None:
    """What the target counts."""
    found: Metric | None = made_with.get("metric")
    return found
