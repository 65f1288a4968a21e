"""Fills a latency table until it foretells what it has not seen, or the time is up."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compressor.latency.measuring import bench, drawn
from compressor.latency.prediction import Prediction
from compressor.latency.setting import Setting
from compressor.latency.table import LatencyTable
from compressor.passes.analysis import Analysis
from compressor.passes.cost import CostModel
from compressor.passes.labels import Labels
from compressor.passes.latency.work_units import WorkUnits
from compressor.passes.selection import Options, candidates

LEAST_SAMPLES, MOST_SAMPLES = 24, 72
_CHECKED = 8  # of the last samples, foretold before they were measured
_MEDIAN_ERROR, _WORST_ERROR = 0.02, 0.06
Tell = Callable[[int, int], None]


def fill(
    table: LatencyTable, analysis: Analysis, cost: CostModel, units: WorkUnits, setting: Setting, path: Path, *,
    minutes: float, tell: Tell = lambda done, total: None,
) -> None:  # fmt: skip
    """Add samples until the table is good enough, saving it after each, so that an interruption loses one.

    Args:
        table: of this structure and setting; what is in it counts.
        path: of its file.
        minutes: of measuring, at most; one sample of the whole model is taken in any case.
        tell: called with (samples, samples at most).

    Raises:
        BackendError: the runtime cannot run a candidate.
    """
    deadline = time.monotonic() + 60 * minutes
    sizes = [space.size for space in analysis.spaces]
    may_go = {space.name for space in candidates(analysis, Options(allow_width=True))}
    free = np.array([space.name in may_go for space in analysis.spaces], np.bool_)

    def is_done() -> bool:
        late = time.monotonic() > deadline or len(table.samples) >= MOST_SAMPLES
        return bool(table.samples) and (late or good_enough(analysis, cost, units, table))

    if is_done():
        return
    with bench(analysis, units, setting) as opened:
        while not is_done():
            start, number = time.monotonic(), len(table.samples)
            atoms = cost.protect(_beyond(analysis, np.where(free, drawn(sizes, number, setting.seed), sizes)))
            table.samples.append(opened.sample(atoms))
            table.seconds = round(table.seconds + time.monotonic() - start, 3)
            table.save(path)
            tell(len(table.samples), MOST_SAMPLES)


def good_enough(analysis: Analysis, cost: CostModel, units: WorkUnits, table: LatencyTable) -> bool:
    """Whether the samples before the last ones foretell those."""
    if len(table.samples) < LEAST_SAMPLES:
        return False
    known = table.model_copy(update={"samples": table.samples[:-_CHECKED]})
    prediction = Prediction(analysis, cost, units, known)
    found = prediction.ms(prediction.lengths(table.widths()[-_CHECKED:]))
    errors = np.abs(found / table.whole_ms()[-_CHECKED:] - 1)
    return bool(np.median(errors) <= _MEDIAN_ERROR and errors.max() <= _WORST_ERROR)


def _beyond(analysis: Analysis, widths: NDArray[np.int64]) -> Labels:
    """The atoms of each space beyond its width."""
    parts = [space.atoms[width:] for space, width in zip(analysis.spaces, widths, strict=True)]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *parts]))
