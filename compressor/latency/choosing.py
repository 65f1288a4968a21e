"""Which channels go at a step whose target is a latency."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from compressor.choosing import ByCriterion
from compressor.latency.goal import LatencyGoal
from compressor.latency.loop import Loop, Outcome, Tell
from compressor.latency.source import TableSource, table_for
from compressor.passes.analysis import Analysis
from compressor.passes.cost import CostModel
from compressor.passes.labels import Labels
from compressor.passes.selection import Options, Selection, Target
from compressor.passes.slices import Scores


@dataclass(frozen=True)
class ByLatency(ByCriterion):
    """Takes what loses least at the latency wanted; see ByCriterion for the rest.

    Attributes:
        goal: the last step's.
        tell: progress.
    """

    goal: LatencyGoal = field(kw_only=True)
    tell: Tell = field(kw_only=True)

    @property
    def made_with(self) -> dict[str, Any]:
        """See Chooser."""
        setting = self.goal.setting
        sizes = {f"dim {name}": size for name, size in sorted(setting.dims.items())}
        return {
            **super().made_with, "backend": setting.backend, "threads": setting.threads, "batch": setting.batch, **sizes
        }  # fmt: skip

    def _select(
        self, analysis: Analysis, cost: CostModel, scores: Scores, target: Target, options: Options, gone: Labels,
        last: bool,
    ) -> tuple[Selection, Mapping[str, Any] | None]:  # fmt: skip
        source = table_for(self.goal, analysis, cost, lambda done, total: self.tell("latency table", done, total))
        loop = Loop(analysis, cost, source, self.goal.setting, self.tell)
        selection, outcome = loop.reach(target.keep, scores, options, gone, confirm=last)
        return selection, record(outcome, source)


def record(outcome: Outcome, source: TableSource) -> dict[str, Any]:
    """JSON-ready: the outcome, and what its table took."""
    table = {
        "path": str(source.path), "samples": len(source.table.samples), "measured_now": source.measured,
        "seconds_now": round(source.seconds, 3), "seconds": source.table.seconds, "facts": source.table.facts,
    }  # fmt: skip
    return {**outcome.to_json(), "table": table}
