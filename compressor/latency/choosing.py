"""Which channels go at a step whose target is a latency."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compressor.choosing import ByCriterion
from compressor.latency.branch_samples import sample_branches
from compressor.latency.goal import LatencyGoal
from compressor.latency.loop import Loop, Tell
from compressor.latency.outcome import Outcome
from compressor.latency.source import TableSource, table_for
from compressor.passes.analysis import Analysis
from compressor.passes.cost import NO_ATOMS, CostModel
from compressor.passes.labels import Labels
from compressor.passes.latency.axis_lengths import Lengths
from compressor.passes.selection import Options, Selection, Target, counted
from compressor.passes.slices import Scores


@dataclass(frozen=True)
class ByLatency(ByCriterion):
    """Takes what loses least at the latency wanted; see ByCriterion for the rest.

    Attributes:
        goal: the last step's.
        budgets: shares of size and memory to keep at most, at the last step.
        tell: progress.
    """

    goal: LatencyGoal = field(kw_only=True)
    budgets: Mapping[str, float] = field(default_factory=dict, kw_only=True)
    tell: Tell = field(kw_only=True)

    @property
    def made_with(self) -> dict[str, Any]:
        """See Chooser."""
        setting = self.goal.setting
        sizes = {f"dim {name}": size for name, size in sorted(setting.dims.items())}
        wanted = {} if self.goal.ms is None else {"latency_ms": self.goal.ms}
        return {
            **super().made_with, **wanted, "backend": setting.backend, "threads": setting.threads,
            "batch": setting.batch, **sizes, **self.budgets,
        }  # fmt: skip

    def _select(
        self, analysis: Analysis, cost: CostModel, scores: Scores, target: Target, options: Options, gone: Labels,
        last: bool,
    ) -> tuple[Selection, Mapping[str, Any] | None]:  # fmt: skip
        # What earlier steps left of the table's time is none: the first one took what it needs.
        goal = replace(self.goal, minutes=0.0) if gone.size else self.goal
        source = table_for(goal, analysis, cost, lambda done, total: self.tell("latency table", done, total))
        shares = {name: self._share(keep, target) for name, keep in self.budgets.items()}
        if options.drop_branches:
            sample_branches(source, analysis, cost, self.goal.setting)
        loop = Loop(
            analysis, cost, source, self.goal.setting, self.tell, byte_budgets(cost, shares), of=self.goal.of
        )  # fmt: skip
        selection, outcome = loop.reach(target.keep, scores, options, gone, confirm=last)
        return selection, {**record(outcome, source), "budgets": _reached(selection, shares)}

    def _share(self, keep: float, target: Target) -> float:
        """Of a further budget at this step: as far on its way as the latency is."""
        gone = (1 - target.keep) / (1 - self.target.keep)
        return keep * gone + (1 - gone)


def byte_budgets(
    cost: CostModel, shares: Mapping[str, float]
) -> dict[str, tuple[float, Callable[[Lengths], NDArray[np.float64]]]]:
    """For ``select_within``: limit and cost of every share of "size" and "memory"."""
    whole = cost.cost(NO_ATOMS)
    costs = {"size": cost.weights.bytes_at, "memory": cost.peak_bytes_at}
    return {f"{name} in bytes": (share * counted(whole, name), costs[name]) for name, share in shares.items()}


def _reached(selection: Selection, shares: Mapping[str, float]) -> dict[str, Any]:
    """JSON-ready: what was asked for of each further budget, and what came of it."""
    return {
        name: {"asked": share, "reached": counted(selection.after, name) / counted(selection.before, name)}
        for name, share in shares.items()
    }


def record(outcome: Outcome, source: TableSource) -> dict[str, Any]:
    """JSON-ready: the outcome, and what its table took."""
    table = {
        "path": str(source.path), "samples": len(source.table.samples), "measured_now": source.measured,
        "seconds_now": round(source.seconds, 3), "seconds": source.table.seconds, "facts": source.table.facts,
    }  # fmt: skip
    return {**outcome.to_json(), "table": table}
