"""What a candidate will take, by the latency table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compressor.latency.table import LatencyTable
from compressor.passes.analysis import Analysis
from compressor.passes.cost import CostModel
from compressor.passes.labels import Labels
from compressor.passes.latency.axis_lengths import AxisLengths, Lengths
from compressor.passes.latency.selection import exact_lengths, steps_by_row
from compressor.passes.latency.unit_merging import merged
from compressor.passes.latency.unit_times import UnitTimes
from compressor.passes.latency.whole_times import WholeTimes
from compressor.passes.latency.work_units import WorkUnits

Floats = NDArray[np.float64]
_UNDISTURBED = 0.1
_LEAST_SHARE = 0.1  # of the kernels' time that a run takes, whatever the fit says far outside of its samples


class Prediction:
    """Milliseconds of whole runs, learnt from a table's samples.

    Args:
        analysis, cost, units: of the graph that the table was made for, groups aligned or not.
        table: with at least one sample.
    """

    def __init__(self, analysis: Analysis, cost: CostModel, units: WorkUnits, table: LatencyTable) -> None:
        self._cost = cost
        self._axes = AxisLengths(cost.table, analysis.state.store, analysis.spaces)
        lengths = self._axes.lengths(table.widths())
        times, whole = table.units_ms([unit.name for unit in units.units]), table.whole_ms()
        if times.any():
            self.units, times = merged(units, times)
            self._unit_times: UnitTimes | None = UnitTimes(self.units, lengths, times)
            self._beside_ms = _beside(times.sum(axis=1), whole)
            steps = self._unit_times.steps
        else:
            self.units, self._unit_times = units.units, None
            self._whole_times = WholeTimes(self.units, lengths, whole)
            steps = self._whole_times.steps
        self.steps = steps
        self.steps_by_row = steps_by_row([(unit.kind, unit.axes) for unit in self.units], steps)

    def ms(self, lengths: Lengths) -> Floats:
        """Float64 [candidates] for ``lengths`` [candidates, rows of the cost model's table]."""
        if self._unit_times is None:
            return self._whole_times.whole_ms(lengths)
        kernels = self.kernels_ms(lengths)
        return np.asarray(np.maximum(kernels + self._beside_ms, _LEAST_SHARE * kernels))

    def kernels_ms(self, lengths: Lengths) -> Floats:
        """As ``ms``, the sum of kernels alone; zero where the runtime does not tell them."""
        if self._unit_times is None:
            return np.zeros(len(lengths))
        return np.asarray(self._unit_times.times_ms(lengths).sum(axis=1))

    def lengths(self, widths: NDArray[np.int64]) -> Lengths:
        """Float64 [candidates, rows] for ``widths`` [candidates, spaces]."""
        return self._axes.lengths(widths)

    def of(self, atoms: Labels) -> float:
        """Milliseconds without ``atoms``."""
        return float(self.ms(exact_lengths(self._cost, atoms))[0])

    def units_ms(self, atoms: Labels) -> dict[str, float]:
        """Milliseconds of every unit without ``atoms``, by its name; empty where the runtime does not tell."""
        if self._unit_times is None:
            return {}
        times = self._unit_times.times_ms(exact_lengths(self._cost, atoms))[0]
        return {unit.name: float(ms) for unit, ms in zip(self.units, times, strict=True)}


def _beside(kernels: Floats, whole: Floats) -> float:
    """What a whole run takes beside its kernels, less what reading the clock for each of them took, in milliseconds.

    Other programs make runs longer, and never shorter: so a low quantile over all samples counts.
    """
    return float(np.quantile(whole - kernels, _UNDISTURBED))
