"""Whole runs are learnt from profiles that make kernels longer, and from runs alone where profiles tell nothing."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.latency.prediction import Prediction
from compressor.latency.table import Sample, new_table
from compressor.passes.cost import CostModel
from compressor.passes.latency.calibration import CalibratedTimes, Calibration
from compressor.passes.latency.work_units import WorkUnits
from tests.latency.networks import analysis_of
from tests.latency.test_unit_times import made_up, prepared


def test_factors_and_the_constant_are_found() -> None:
    kinds = np.random.default_rng(0).uniform(1, 5, (40, 2))
    whole = 0.9 * kinds[:, 0] + 1.2 * kinds[:, 1] - 0.5
    found = Calibration(kinds[:30], whole[:30]).whole_ms(kinds[30:])
    np.testing.assert_allclose(found, whole[30:], rtol=0.01)


def test_one_sample_is_met_and_kinds_weigh_as_they_were_timed() -> None:
    calibration = Calibration(np.array([[2.0, 1.0]]), np.array([3.5]))
    np.testing.assert_allclose(calibration.whole_ms(np.array([[2.0, 1.0], [1.0, 1.0]])), [3.5, 2.5], rtol=0.01)


def test_a_profile_that_makes_kernels_longer_does_no_harm() -> None:
    units, lengths = prepared(analysis_of("resnet20"), 60)
    times = np.stack([made_up(unit, lengths, 8) for unit in units.units], axis=1)
    whole = 0.3 + times.sum(axis=1)
    learnt = CalibratedTimes(units.units, lengths[:40], times[:40] + 0.05, whole[:40])
    assert np.abs(learnt.whole_ms(lengths[40:]) / whole[40:] - 1).max() < 0.03
    assert (learnt.whole_ms(np.zeros_like(lengths[:1])) > 0).all()


@pytest.mark.parametrize("told", [True, False])
def test_the_better_of_two_ways_is_taken(told: bool) -> None:
    """Kernels that take what they take, and kernels whose clock tells noise."""
    analysis = analysis_of("resnet20")
    cost, rng = CostModel(analysis), np.random.default_rng(3)
    units, sizes = WorkUnits(analysis, cost.table), [space.size for space in analysis.spaces]
    table = new_table(analysis, {})
    for _ in range(48):
        widths = [int(size * rng.uniform(0.2, 1)) or 1 for size in sizes]
        table.samples.append(Sample(widths=widths, whole_ms=1.0))
    lengths = Prediction(analysis, cost, units, table).lengths(table.widths())
    odd = np.arange(len(units.units)) % 3 == 0
    heavy = np.where(odd & told, 4.0, 0.2)  # sums over types of ops cannot tell those that take longer
    times = np.stack([made_up(unit, lengths, 1) for unit in units.units], axis=1) * heavy
    for sample, row in zip(table.samples, times, strict=True):
        clock = row if told else rng.uniform(0, 1, len(row))
        sample.units_ms = dict(zip((unit.name for unit in units.units), map(float, clock), strict=True))
        sample.whole_ms = float(row.sum())
    prediction = Prediction(analysis, cost, units, table)
    error = np.abs(prediction.ms(lengths) / table.whole_ms() - 1)
    assert np.median(error) < 0.05


def test_what_was_measured_at_a_slow_time_counts_as_at_others() -> None:
    table = new_table(analysis_of("resnet20"), {})
    widths = list(table.spaces.values())
    for pace in (1.0, 1.0, 1.5):
        sample = Sample(widths=widths, units_ms={"a": 2 * pace}, whole_ms=4 * pace, reference_ms=8 * pace)
        table.samples.append(sample)
    assert table.original_ms() == 8
    np.testing.assert_allclose(table.whole_ms(), [4, 4, 4])
    np.testing.assert_allclose(table.units_ms(["a"])[:, 0], [2, 2, 2])
