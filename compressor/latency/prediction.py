"""What a candidate will take, by the latency table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.latency.table import LatencyTable
from compressor.passes.analysis import Analysis
from compressor.passes.cost import CostModel
from compressor.passes.labels import Labels
from compressor.passes.latency.axis_lengths import AxisLengths, Lengths
from compressor.passes.latency.calibration import CalibratedTimes
from compressor.passes.latency.selection import exact_lengths, steps_by_row
from compressor.passes.latency.unit_merging import merged
from compressor.passes.latency.whole_times import WholeTimes
from compressor.passes.latency.work_units import WorkUnit, WorkUnits

Floats = NDArray[np.float64]
_FOLDS = 4
_ENOUGH = 12  # samples for the two ways of foretelling to be compared


class Prediction:
    """Milliseconds of whole runs, learnt from a table's samples.

    Args:
        analysis, cost, units: of the graph that the table was made for, groups aligned or not.
        table: with at least one sample.

    Attributes:
        original_ms: of the model with all channels, as measured: ratios are to that.
        steps: by kind of unit, the multiple of channels in which its cost rises.
        steps_by_row: of all ops that work along each axis, the largest.
    """

    def __init__(self, analysis: Analysis, cost: CostModel, units: WorkUnits, table: LatencyTable) -> None:
        self._cost = cost
        self._axes = AxisLengths(cost.table, analysis.state.store, analysis.spaces)
        lengths = self._axes.lengths(table.widths())
        times, whole = table.units_ms([unit.name for unit in units.units]), table.whole_ms()
        self.units, self._by_units = units.units, None
        self._times: CalibratedTimes | WholeTimes = WholeTimes(self.units, lengths, whole)
        if times.any():
            self.units, times = merged(units, times)
            self._by_units = CalibratedTimes(self.units, lengths, times, whole)
            if len(whole) < _ENOUGH or _better(self._by_units, self.units, lengths, times, whole):
                self._times = self._by_units
        self.original_ms = table.original_ms()
        self.steps = (self._by_units or self._times).steps
        self.steps_by_row = steps_by_row([(unit.kind, unit.axes) for unit in self.units], self.steps)

    def ms(self, lengths: Lengths) -> Floats:
        """Float64 [candidates] for ``lengths`` [candidates, rows of the cost model's table]."""
        return self._times.whole_ms(lengths)

    def lengths(self, widths: NDArray[np.int64]) -> Lengths:
        """Float64 [candidates, rows] for ``widths`` [candidates, spaces]."""
        return self._axes.lengths(widths)

    def of(self, atoms: Labels) -> float:
        """Milliseconds without ``atoms``."""
        return float(self.ms(exact_lengths(self._cost, atoms))[0]) if atoms.size else self.original_ms

    def ratio(self, atoms: Labels) -> float:
        """To the original, without ``atoms``."""
        return self.of(atoms) / self.original_ms

    def units_ms(self, atoms: Labels) -> dict[str, float]:
        """Milliseconds of every unit without ``atoms``, by its name; empty where the runtime does not tell."""
        if self._by_units is None:
            return {}
        times = self._by_units.units_ms(exact_lengths(self._cost, atoms))[0]
        return {unit.name: float(ms) for unit, ms in zip(self.units, times, strict=True)}


def _better(
    found: CalibratedTimes, units: Sequence[WorkUnit], lengths: Lengths, times: Floats, whole: Floats
) -> bool:  # fmt: skip
    """Whether units foretell whole runs that they were not learnt from better than whole runs do.

    They do but where kernels are too short to be timed: those of tiny models.
    """

    def by_units(known: NDArray[np.bool_]) -> Floats:
        return CalibratedTimes(units, lengths[known], times[known], whole[known], found.steps).whole_ms(lengths)

    def by_whole(known: NDArray[np.bool_]) -> Floats:
        return WholeTimes(units, lengths[known], whole[known]).whole_ms(lengths)

    return _held_out(by_units, whole) < _held_out(by_whole, whole)


def _held_out(learn: Callable[[NDArray[np.bool_]], Floats], whole: Floats) -> float:
    """Mean relative error on samples left out in turn; the first one, the model as it is, is always known."""
    fold = np.arange(len(whole)) % _FOLDS
    fold[0] = -1
    errors = [np.abs(learn(fold != each) / whole - 1)[fold == each] for each in range(_FOLDS)]
    return float(np.concatenate(errors).mean())
