"""Crossovers, on curves whose crossings are known."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.study.crossover import crossings, crossovers

RATIOS = [0.5, 0.7, 0.9]


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        ([-1.0, -1.0, 1.0], [(0.8, 1)]),
        ([3.0, -1.0, -2.0], [(0.65, -1)]),
        ([1.0, -1.0, 1.0], [(0.6, -1), (0.8, 1)]),
        ([1.0, 2.0, 3.0], []),
        ([-1.0, 0.0, 1.0], [(0.7, 1)]),
        ([1.0, 0.0, 1.0], []),
        ([0.0, 0.0, 0.0], []),
        ([0.0, 1.0, 1.0], []),
    ],
)
def test_crossings_are_exact(difference: list[float], expected: list[tuple[float, int]]) -> None:
    found = crossings(RATIOS, np.array(difference))
    assert [direction for _, direction in found] == [direction for _, direction in expected]
    assert [ratio for ratio, _ in found] == pytest.approx([ratio for ratio, _ in expected])


def test_equal_seeds_leave_no_doubt() -> None:
    curves = {"one-shot": np.array([[0.9, 0.8, 0.5]] * 3), "geometric": np.array([[0.8, 0.75, 0.6]] * 3)}
    (found,) = crossovers(RATIOS, curves)
    assert (found.below, found.above, found.seeds, found.share) == ("one-shot", "geometric", 3, 1.0)
    at = 0.7 + 0.2 * 0.05 / 0.15
    assert (found.ratio, found.low, found.high) == pytest.approx((at, at, at))


def test_the_interval_spans_what_the_seeds_say() -> None:
    flat = np.zeros((3, 2))
    # Seed by seed the crossing is at 0.6, 0.7 and 0.8; the mean of the three lines crosses at 0.7.
    rising = np.array([[-1.0, 3.0], [-2.0, 2.0], [-3.0, 1.0]])
    (found,) = crossovers([0.5, 0.9], {"a": flat, "b": rising})
    assert found.ratio == pytest.approx(0.7)
    assert (found.low, found.high) == pytest.approx((0.6, 0.8))  # each end is 1 of 27 draws: beyond 2.5 %
    assert found.share == 1.0


def test_draws_that_do_not_cross_are_counted() -> None:
    # Seeds 0 and 1 never cross, seed 2 does: so does the mean of all.
    gap = np.array([[-1.0, -1.0], [-1.0, -1.0], [-1.0, 5.0]])
    (found,) = crossovers([0.5, 0.9], {"a": np.zeros((3, 2)), "b": gap}, draws=20_000)
    assert found.ratio == pytest.approx(0.5 + 0.4 / 2)
    assert found.share == pytest.approx(1 - (2 / 3) ** 3, abs=0.02)  # at least one of three draws is seed 2


def test_one_seed_has_no_interval() -> None:
    (found,) = crossovers([0.5, 0.9], {"a": np.array([[1.0, 0.0]]), "b": np.array([[0.0, 1.0]])})
    assert found.ratio == pytest.approx(0.7)
    assert (found.low, found.high, found.share) == (None, None, None)


def test_draws_are_repeatable() -> None:
    rng = np.random.default_rng(1)
    curves = {"a": rng.normal(size=(5, 3)), "b": rng.normal(size=(5, 3))}
    assert crossovers(RATIOS, curves) == crossovers(RATIOS, curves)
