"""Intervals of means: as wide as they must be, where all samples agree too."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest

from compressor.gate.intervals import FEWEST_SAMPLES, NOTHING_KNOWN, of_difference, of_mean

Z2 = 1.959964**2


def answers(right: int, count: int) -> np.ndarray:
    return (np.arange(count) < right).astype(np.float64)


def pairs(gained: int, lost: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Ones and zeros of two models, of which ``gained`` and ``lost`` differ; half of the others are right."""
    same = count - gained - lost
    before = np.concatenate([np.zeros(gained), np.ones(lost), answers(same // 2, same)])
    after = before.copy()
    after[: gained + lost] = 1 - after[: gained + lost]
    return before, after


@pytest.mark.parametrize(("right", "count"), [(20, 20), (0, 7), (15, 100), (3990, 4000), (1, 1)])
def test_right_and_wrong_get_wilsons_interval(right: int, count: int) -> None:
    wilson = binomtest(right, count).proportion_ci(0.95, "wilson")
    assert of_mean(answers(right, count), 0) == pytest.approx((wilson.low, wilson.high), abs=1e-6)


@pytest.mark.parametrize("count", [1, 20, 4000])
def test_models_that_agree_in_every_sample_may_differ_in_others(count: int) -> None:
    widest = Z2 / (count + Z2)
    assert of_difference(*pairs(0, 0, count), 0) == pytest.approx((-widest, widest), abs=1e-9)


@pytest.mark.parametrize(("gained", "lost", "count"), [(3, 9, 120), (0, 1, 44), (5, 0, 60), (40, 40, 200), (0, 30, 30)])
def test_the_ends_of_the_interval_lie_where_the_score_says(gained: int, lost: int, count: int) -> None:
    """The likelihood's maximum is looked for by number here."""

    def score(change: float) -> float:
        def unlikely(share_lost: float) -> float:
            same = 1 - 2 * share_lost - change
            cells = ((gained, share_lost + change), (lost, share_lost), (count - gained - lost, same))
            return -sum(seen * math.log(max(share, 1e-300)) for seen, share in cells if seen)

        bounds = (max(0.0, -change), (1 - change) / 2)
        share_lost = minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12}).x
        variance = count * (2 * share_lost + change * (1 - change))
        return float((gained - lost - count * change) / math.sqrt(variance))

    low, high = of_difference(*pairs(gained, lost, count), 0)
    assert low <= (gained - lost) / count <= high
    for end, wanted in ((low, 1.959964), (high, -1.959964)):
        if abs(end) < 1 - 1e-6:
            assert score(end) == pytest.approx(wanted, abs=1e-3)


def test_the_interval_of_a_paired_difference_of_answers_holds_the_truth() -> None:
    """Where few answers change a bootstrap would hold it far less often."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(200):
        lost, gained, _ = rng.multinomial(150, [0.02, 0.01, 0.97])
        low, high = of_difference(*pairs(gained, lost, 150), 0)
        held += low <= -0.01 <= high
    assert held >= 181  # 95 % of 200, less three standard deviations


def test_of_few_samples_nothing_is_known() -> None:
    values = np.random.default_rng(0).random(FEWEST_SAMPLES)
    assert of_mean(values[1:], 0) == NOTHING_KNOWN
    assert of_difference(values[1:], values[:-1], 0) == NOTHING_KNOWN
    assert 0 < of_mean(values, 0)[0] < of_mean(values, 0)[1] < 1


def test_one_other_value_is_not_right_or_wrong() -> None:
    values = np.where(np.arange(100) < 50, 0.0, 2.0)
    low, high = of_mean(values, 0)
    assert 0.7 < low < 1 < high < 1.3
