"""Times of units are learnt from samples: the runtime's step is found, and what was not seen is foretold."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from compressor.passes.analysis import Analysis
from compressor.passes.branches import Branches
from compressor.passes.cost import CostModel
from compressor.passes.latency.axis_lengths import AxisLengths, Lengths
from compressor.passes.latency.unit_merging import merged
from compressor.passes.latency.unit_times import UnitTimes
from compressor.passes.latency.whole_times import WholeTimes
from compressor.passes.latency.work_units import WorkUnit, WorkUnits
from tests.latency.networks import analysis_of


def prepared(analysis: Analysis, count: int, seed: int = 0) -> tuple[WorkUnits, Lengths]:
    """Units, and the lengths of random candidates."""
    cost, rng = CostModel(analysis), np.random.default_rng(seed)
    units = WorkUnits(analysis, cost.table)
    sizes = np.array([space.size for space in analysis.spaces])
    widths = np.maximum(1, np.rint(sizes * rng.uniform(0.2, 1, (count, sizes.size))).astype(np.int64))
    return units, AxisLengths(cost.table, analysis.state.store, analysis.spaces).lengths(widths)


def made_up(unit: WorkUnit, lengths: Lengths, step: int) -> NDArray[np.float64]:
    """A staircase of ``step`` channels in every axis, with a constant."""
    total = np.full(len(lengths), 0.01)
    for constant, rows in unit.work:
        product = np.full(len(lengths), 1e-6 * constant)
        for row in rows:
            product *= np.ceil(lengths[:, row] / step) * step if row >= 0 else -1 - row
        total += product
    return total


@pytest.mark.parametrize("step", [1, 4, 8])
def test_the_step_is_found_and_the_rest_foretold(step: int) -> None:
    units, lengths = prepared(analysis_of("resnet20"), 40)
    noise = np.random.default_rng(1).uniform(1, 1.01, (40, len(units.units)))
    times = np.stack([made_up(unit, lengths, step) for unit in units.units], axis=1) * noise
    learnt = UnitTimes(units.units, lengths[:28], times[:28])
    assert learnt.steps["Conv"] == step
    error = learnt.times_ms(lengths[28:]).sum(axis=1) / times[28:].sum(axis=1) - 1
    assert np.abs(error).max() < 0.02


def test_whole_runs_alone_foretell_too() -> None:
    units, lengths = prepared(analysis_of("resnet20"), 60)
    whole = sum(made_up(unit, lengths, 8) for unit in units.units)
    learnt = WholeTimes(units.units, lengths[:40], np.asarray(whole)[:40])
    assert np.median(np.abs(learnt.whole_ms(lengths[40:]) / np.asarray(whole)[40:] - 1)) < 0.03


def test_what_has_no_channels_left_takes_no_time() -> None:
    analysis = analysis_of("resnet20")
    units, lengths = prepared(analysis, 30)
    times = np.stack([made_up(unit, lengths, 8) for unit in units.units], axis=1)
    branches = Branches.of(analysis)
    number = next(iter(branches.spaces()))
    cost = CostModel(analysis)
    units, axes = WorkUnits(analysis, cost.table), AxisLengths(cost.table, analysis.state.store, analysis.spaces)
    widths = np.array([[space.size for space in analysis.spaces]] * 2)
    widths[1, number] = 0
    whole, without = UnitTimes(units.units, lengths, times).times_ms(axes.lengths(widths))
    there = np.array([unit.is_there(axes.lengths(widths)) for unit in units.units]).T
    assert there[0].all()
    assert np.count_nonzero(~there[1]) == 1
    assert (without[~there[1]] == 0).all()
    assert (whole[~there[1]] > 0).all()
    reader = np.flatnonzero((without < whole) & there[1])  # sums over nothing: its constant and what hangs on it stay
    assert reader.size == 1
    assert without[reader] < 0.5 * whole[reader]


def test_a_unit_without_a_kernel_joins_the_one_that_reads_it() -> None:
    units, _ = prepared(analysis_of("resnet20"), 4)
    times = np.ones((4, len(units.units)))
    silent = 3
    times[:, silent] = 0
    fewer, kept = merged(units, times)
    into = units.units[units.reader[silent]]
    assert len(fewer) == len(units.units) - 1
    assert kept.shape == (4, len(fewer))
    joined = next(unit for unit in fewer if unit.name == into.name)
    assert len(joined.work) == len(into.work) + len(units.units[silent].work)
