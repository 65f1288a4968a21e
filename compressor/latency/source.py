"""The latency table of a model: as given, or the cache's, filled up by measuring."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from compressor.backends.base import get_backend
from compressor.errors import PlanError, UsageError
from compressor.latency.filling import fill
from compressor.latency.goal import LatencyGoal
from compressor.latency.prediction import Prediction
from compressor.latency.setting import Setting
from compressor.latency.table import LatencyTable, Sample, cached_path, check_fits, new_table, read_table, structure
from compressor.passes.analysis import Analysis
from compressor.passes.cost import CostModel
from compressor.passes.latency.work_units import WorkUnits


@dataclass
class TableSource:
    """A table with what it took to get it.

    Attributes:
        path: of its file.
        here: whether it is of this machine; what another's says cannot be measured here.
        measured: samples that were taken now, and ``seconds`` it took.
        ours: whether what is measured on the way is kept in the file; one that the user named is left as it is.
    """

    table: LatencyTable
    path: Path
    here: bool
    measured: int
    seconds: float
    ours: bool = True

    def add(self, sample: Sample) -> None:
        """Learn from one more candidate."""
        self.table.samples.append(sample)
        if self.ours:
            self.table.save(self.path)

    def prediction(self, analysis: Analysis, cost: CostModel) -> Prediction:
        """Learnt from all samples by now."""
        return Prediction(analysis, cost, WorkUnits(analysis, cost.table), self.table)


def table_for(
    goal: LatencyGoal, analysis: Analysis, cost: CostModel, tell: Callable[[int, int], None] = lambda done, total: None
) -> TableSource:
    """The table that the goal names, or the cached one, with as many samples as it needs.

    Raises:
        PlanError, UsageError: the table named does not fit.
        BackendError: the runtime is missing, or cannot run the model.
    """
    if goal.table is not None:
        return _given(goal, goal.table, analysis)
    facts = goal.setting.facts()
    path = cached_path(structure(analysis), facts)
    return fill_file(path, goal.setting, goal.minutes, analysis, cost, tell)


def fill_file(
    path: Path, setting: Setting, minutes: float, analysis: Analysis, cost: CostModel,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> TableSource:  # fmt: skip
    """The table in a file, begun or gone on with."""
    start, facts = time.perf_counter(), setting.facts()
    table = new_table(analysis, facts)
    if path.is_file():
        table = read_table(path)
        check_fits(table, analysis, facts, path)
        if table.facts != facts:
            raise UsageError(
                "the latency table is of other hardware or libraries", where=str(path), fix="Name a new file."
            )
    before = len(table.samples)
    units = WorkUnits(analysis, cost.table)
    fill(table, analysis, cost, units, setting, path, minutes=minutes, tell=tell)
    return TableSource(table, path, True, len(table.samples) - before, time.perf_counter() - start)


def _given(goal: LatencyGoal, path: Path, analysis: Analysis) -> TableSource:
    table = read_table(path)
    if not table.samples:
        raise PlanError("the latency table is empty", where=str(path), fix="Make one with `compressor table`.")
    setting = goal.setting
    asked = {
        "runtime": {"backend": setting.backend}, "threads": setting.threads or table.facts.get("threads"),
        "batch": setting.batch, "dims": dict(setting.dims),
    }  # fmt: skip
    check_fits(table, analysis, asked, path)
    return TableSource(table, path, _is_here(table, goal), 0, 0.0, ours=False)


def _is_here(table: LatencyTable, goal: LatencyGoal) -> bool:
    """Whether the table was made on this machine, with these libraries."""
    if not get_backend(goal.setting.backend).probe().usable:
        return False
    return table.facts == goal.setting.facts()
