"""Intervals and verdicts, on synthetic times whose truth is known."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from compressor.backends import statistics
from compressor.backends.statistics import (
    Ratio,
    block_medians_ms,
    percentiles_ms,
    ratio_of_medians,
    ratio_of_stored,
    verdict,
)
from compressor.errors import UsageError


def synthetic(
    rng: np.random.Generator, center_ms: float, processes: int, blocks: int, spread: float
) -> NDArray[np.float64]:
    """Block medians: ``spread`` between processes, 3 % one-sided noise within, one block in twenty far off."""
    shape = (processes, blocks)
    log = rng.normal(0, spread, (processes, 1)) + np.abs(rng.normal(0, 0.03, shape))
    return np.asarray(center_ms * np.exp(log + (rng.random(shape) < 0.05) * rng.exponential(0.3, shape)))


@pytest.mark.parametrize(("spread", "at_least"), [(0.0, 0.95), (0.005, 0.95), (0.02, 0.84)])
def test_the_interval_holds_the_truth_as_often_as_it_says(spread: float, at_least: float) -> None:
    rng = np.random.default_rng(1)
    held = 0
    for repetition in range(200):
        a, b = synthetic(rng, 2.0, 5, 20, spread), synthetic(rng, 1.5, 5, 20, spread)
        found = ratio_of_medians(a, b, seed=repetition, resamples=400)
        held += found.low <= 0.75 <= found.high
    assert held / 200 >= at_least


def test_drawing_processes_is_what_keeps_the_interval_honest() -> None:
    """The same data seen as one process gives an interval that is far too narrow."""
    rng = np.random.default_rng(2)
    held = {"two-stage": 0, "pooled": 0}
    for repetition in range(200):
        a, b = synthetic(rng, 1.0, 5, 20, 0.02), synthetic(rng, 1.0, 5, 20, 0.02)
        for name, shape in (("two-stage", (5, 20)), ("pooled", (1, 100))):
            found = ratio_of_medians(a.reshape(shape), b.reshape(shape), seed=repetition, resamples=300)
            held[name] += found.low <= 1 <= found.high
    assert held["pooled"] < 140 < held["two-stage"]


def test_equal_models_are_seldom_called_different() -> None:
    rng = np.random.default_rng(3)
    calls = 0
    for repetition in range(200):
        a, again, b = (synthetic(rng, 1.0, 5, 10, 0.005) for _ in range(3))
        ratio, noise = (ratio_of_medians(a, other, seed=repetition, resamples=400) for other in (b, again))
        calls += verdict(ratio, noise, 50) != "inconclusive"
    assert calls <= 6  # 3 %


@pytest.mark.parametrize(("factor", "expected"), [(0.9, "faster"), (1.1, "slower")])
def test_a_tenth_is_nearly_always_found(factor: float, expected: str) -> None:
    rng = np.random.default_rng(4)
    found = 0
    for repetition in range(100):
        a, again, b = (synthetic(rng, center, 5, 20, 0.005) for center in (1.0, 1.0, factor))
        ratio, noise = (ratio_of_medians(a, other, seed=repetition, resamples=400) for other in (b, again))
        found += verdict(ratio, noise, 100) == expected
    assert found >= 95


def test_exact_ratio_without_noise() -> None:
    times = np.full((3, 4), 2.0)
    assert ratio_of_medians(times, times / 4, seed=0) == Ratio(0.25, 0.25, 0.25)


def test_drift_common_to_both_cancels() -> None:
    """The machine gets 30 % slower half-way: paired drawing keeps the ratio sharp."""
    drift = np.where(np.arange(20) < 10, 1.0, 1.3)
    a = np.random.default_rng(0).normal(1, 0.001, (5, 20)) * drift
    found = ratio_of_medians(a, 0.98 * a, seed=0)
    assert found.high - found.low < 1e-9
    assert found.ratio == pytest.approx(0.98)


@pytest.mark.parametrize("most", [1, 100, 1050, 1 << 20])
def test_drawing_by_and_by_is_drawing_at_once(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit: figures were measured before there were portions."""
    rng = np.random.default_rng(5)
    a, b = synthetic(rng, 2.0, 5, 7, 0.01), synthetic(rng, 1.5, 5, 7, 0.01)
    draws = np.random.default_rng(6)
    rows, blocks = draws.integers(0, 5, (300, 5, 1)), draws.integers(0, 7, (300, 5, 7))
    medians = [np.median(times[rows, blocks].reshape(300, -1), axis=1) for times in (a, b)]
    tail = (1 - 0.95) / 2
    low, high = np.quantile(medians[1] / medians[0], [tail, 1 - tail])
    stored = ratio_of_stored(a, b, seed=6, resamples=300)
    monkeypatch.setattr(statistics, "_MOST_DRAWN", most)
    found = ratio_of_medians(a, b, seed=6, resamples=300)
    assert (found.low, found.high) == (low, high)
    assert ratio_of_stored(a, b, seed=6, resamples=300) == stored


def test_very_many_processes_fit_into_memory() -> None:
    times = np.random.default_rng(7).normal(1, 0.01, (500, 20))
    tracemalloc.start()
    try:
        ratio_of_medians(times, times, seed=0, resamples=1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 60e6  # 80 MB for the numbers of the blocks alone, when drawn at once


def test_a_change_within_the_noise_floor_is_inconclusive() -> None:
    noise = Ratio(1.01, 0.99, 1.04)
    assert verdict(Ratio(0.97, 0.96, 0.98), noise, 100) == "inconclusive"
    assert verdict(Ratio(0.95, 0.94, 0.96), noise, 100) == "faster"
    assert verdict(Ratio(0.95, 0.89, 1.01), noise, 100) == "inconclusive"
    assert verdict(Ratio(1.05, 1.01, 1.06), noise, 100) == "slower"
    assert verdict(Ratio(0.5, 0.4, 0.6), noise, 5) == "inconclusive"


def test_limit_is_passed_failed_or_unknown() -> None:
    ratio = Ratio(0.5, 0.45, 0.55)
    assert [ratio.at_most(limit) for limit in (0.6, 0.5, 0.4)] == ["pass", "inconclusive", "fail"]


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (39, []),
        (40, ["p75"]),
        (99, ["p75"]),
        (100, ["p75", "p90"]),
        (200, ["p75", "p90", "p95"]),
        (1000, ["p75", "p90", "p95", "p99"]),
        (9999, ["p75", "p90", "p95", "p99"]),
        (10000, ["p75", "p90", "p95", "p99", "p99.9"]),
    ],
)
def test_percentiles_need_ten_samples_beyond_them(count: int, names: list[str]) -> None:
    found = percentiles_ms([index * 1_000_000 for index in range(count)])
    assert list(found) == names
    for name, milliseconds in found.items():
        assert milliseconds == pytest.approx(float(name[1:]) / 100 * (count - 1))


def test_block_medians_leave_out_what_not_every_process_reached() -> None:
    medians = block_medians_ms([[[1_000_000, 3_000_000, 2_000_000], [4_000_000]], [[5_000_000]]])
    np.testing.assert_array_equal(medians, [[2.0], [5.0]])


def test_nonsense_is_refused() -> None:
    good = np.ones((2, 3))
    for a, b in [(good, np.ones((3, 2))), (good * 0, good), (good, good * np.nan), (np.ones((0, 3)), np.ones((0, 3)))]:
        with pytest.raises(UsageError):
            ratio_of_medians(a, b, seed=0)
    with pytest.raises(UsageError, match="confidence"):
        ratio_of_medians(good, good, seed=0, confidence=1.0)
