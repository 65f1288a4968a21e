"""The rule of the latency gate, exactly and on synthetic times whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.backends.decision import (
    DISTURBED_CONFIDENCE,
    MOST_WAITING,
    QUIET_CONFIDENCE,
    confidence_for,
    decide,
)
from compressor.backends.drift import drift, drift_warning
from compressor.backends.load import Conditions, CpuUse
from compressor.backends.statistics import Ratio, minimum_detectable_effect, ratio_of_medians, ratio_of_stored
from compressor.errors import UsageError
from tests.backends.test_statistics import synthetic

QUIET = Ratio(1.0, 0.995, 1.005)


@pytest.mark.parametrize(
    ("ratio", "noise", "options", "outcome"),
    [
        (Ratio(1.00, 0.99, 1.01), QUIET, {}, "pass"),
        (Ratio(1.10, 1.08, 1.12), QUIET, {}, "fail"),
        (Ratio(1.10, 1.04, 1.12), QUIET, {}, "inconclusive"),  # the limit lies in the interval
        (Ratio(1.04, 1.02, 1.06), QUIET, {}, "inconclusive"),
        (Ratio(1.06, 1.055, 1.065), Ratio(1.0, 0.98, 1.0), {}, "inconclusive"),  # excess of 1 % within noise of 2 %
        (Ratio(1.08, 1.055, 1.09), Ratio(1.0, 0.98, 1.0), {}, "fail"),
        (Ratio(1.08, 1.06, 1.09), QUIET, {"min_effect": 0.05}, "inconclusive"),
        (Ratio(1.20, 1.18, 1.21), QUIET, {"min_effect": 0.05}, "fail"),
        (Ratio(1.04, 1.035, 1.045), Ratio(1.0, 0.97, 1.03), {}, "inconclusive"),  # below, but within the noise
        (Ratio(0.50, 0.40, 0.60), Ratio(1.0, 0.85, 1.0), {}, "inconclusive"),  # the baseline is off by 15 % itself
        (Ratio(0.50, 0.40, 0.60), QUIET, {"blocks": 5}, "inconclusive"),
    ],
)
def test_rule(ratio: Ratio, noise: Ratio, options: dict[str, float], outcome: str) -> None:
    found = decide(ratio, noise, limit=1.05, **options)  # type: ignore[arg-type]
    assert found.outcome == outcome
    assert found.reason


def judged(rng: np.random.Generator, factor: float, limit: float, spread: float, seed: int) -> str:
    a, again, b = (synthetic(rng, center, 5, 10, spread) for center in (1.0, 1.0, factor))
    ratio, noise = (
        ratio_of_medians(a, other, seed=seed, confidence=confidence, resamples=1000)
        for other, confidence in ((b, QUIET_CONFIDENCE), (again, 0.95))
    )
    return decide(ratio, noise, limit=limit, blocks=50).outcome


@pytest.mark.parametrize("spread", [0.0, 0.005, 0.03])
def test_equal_models_never_fail_and_slow_ones_never_pass(spread: float) -> None:
    """One round alone; the gate asks for two that agree."""
    rng = np.random.default_rng(5)
    same = [judged(rng, 1.0, 1.02, spread, seed) for seed in range(150)]
    slow = [judged(rng, 1.05, 1.02, spread, seed) for seed in range(150)]
    assert same.count("fail") <= 1
    assert slow.count("pass") <= 1
    if spread <= 0.005:
        assert same.count("pass") > 60
        assert slow.count("fail") > 60


def test_a_busy_machine_is_held_to_a_higher_confidence_or_not_believed_at_all() -> None:
    assert confidence_for(0, 0.0) == QUIET_CONFIDENCE
    assert confidence_for(1, 0.1) == DISTURBED_CONFIDENCE
    assert confidence_for(1, MOST_WAITING + 0.01) is None


def test_the_detectable_effect_is_detected_four_times_in_five() -> None:
    rng = np.random.default_rng(6)
    effects = []
    for seed in range(40):
        a, again, b = (synthetic(rng, 1.0, 5, 20, 0.0) for _ in range(3))
        ratio, noise = (ratio_of_medians(a, other, seed=seed, resamples=400) for other in (b, again))
        effects.append(minimum_detectable_effect(ratio, noise))
    effect, found = float(np.median(effects)), 0
    for seed in range(200):
        a, again, b = (synthetic(rng, center, 5, 20, 0.0) for center in (1.0, 1.0, 1 + effect))
        ratio, noise = (ratio_of_medians(a, other, seed=seed, resamples=400) for other in (b, again))
        found += ratio.low > 1 and ratio.ratio > 1 + noise.spread()
    assert 0.7 < found / 200 <= 1.0
    assert effect > QUIET.spread() / 2


def test_stored_times_are_drawn_on_their_own() -> None:
    rng = np.random.default_rng(7)
    wave = np.where(np.arange(20) < 10, 1.0, 1.3)
    a = rng.normal(1, 0.001, (5, 20)) * wave
    assert ratio_of_medians(a, a, seed=0).spread() < 1e-9
    assert ratio_of_stored(a, a, seed=0).spread() > 0.1  # nothing says that the wave is common to both
    assert ratio_of_stored(np.ones((3, 4)), np.full((2, 7), 2.0), seed=0) == Ratio(2.0, 2.0, 2.0)
    with pytest.raises(UsageError):
        ratio_of_stored(np.ones((0, 4)), np.ones((2, 2)), seed=0)
    with pytest.raises(UsageError):
        ratio_of_stored(np.zeros((1, 4)), np.ones((2, 2)), seed=0)


def test_drift_is_the_trend_over_the_run() -> None:
    rng = np.random.default_rng(8)
    noise = {name: rng.normal(1, 0.01, (5, 10)) for name in "ab"}
    assert drift(noise) is None
    heating = np.linspace(1.0, 1.2, 50).reshape(5, 10)
    found = drift({name: 3 * times * heating for name, times in noise.items()})
    assert found == pytest.approx(0.2, abs=0.03)
    assert "20% slower" in drift_warning(round(found or 0, 2), disturbed=False)[0]
    cooling = drift({name: times / heating for name, times in noise.items()})
    assert cooling is not None
    assert "faster (was it still waking up?)" in drift_warning(cooling, disturbed=False)[0]
    assert "faster (other programs?)" in drift_warning(cooling, disturbed=True)[0]
    assert drift({"a": heating[:1]}) is None  # too few blocks
    assert drift_warning(None, disturbed=True) == []


def test_conditions_add_up_and_tell_in_words() -> None:
    start = CpuUse(wall_s=0, busy_s=0, stolen_s=0, own_s=0)
    parts = [
        Conditions.between(start, CpuUse(wall_s=10, busy_s=12, stolen_s=0, own_s=10, waited_s={"1": 1.5})),
        Conditions.between(
            start, CpuUse(wall_s=10, busy_s=28, stolen_s=1, own_s=10, waited_s={"1": 0.5}, throttled_s=2)
        ),
    ]
    total = Conditions.total(parts)
    assert total == Conditions(wall_s=20, other_s=20, stolen_s=1, waited_s=2, throttled_s=2)
    assert total.other_cpus == 1.0
    assert total.waited_share == pytest.approx(0.1)
    words = " ".join(total.disturbances())
    for piece in ("1.0 CPUs busy", "wait 10% of the time", "took away 0.05 CPUs", "stopped 10% of the time"):
        assert piece in words
    assert Conditions.total([]).disturbances() == []
    assert Conditions(wall_s=0.01, other_s=0.02, waited_s=0.01).disturbances() == []  # a tick or two
    assert Conditions(**total.to_json()) == total


def test_the_trend_of_very_many_blocks_is_that_of_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slopes of all pairs of 20,000 blocks would take gigabytes."""
    from scipy import stats

    sizes, plain = [], stats.theilslopes

    def counted(level: np.ndarray, *rest: object) -> object:
        sizes.append(len(level))
        return plain(level, *rest)

    monkeypatch.setattr(stats, "theilslopes", counted)
    times = np.random.default_rng(9).normal(1, 0.01, 4000) * np.linspace(1.0, 1.2, 4000)
    assert drift({"a": times.reshape(200, 20)}) == pytest.approx(0.2, abs=0.01)
    assert drift({"a": times[:1000].reshape(50, 20)}) == pytest.approx(0.05, abs=0.01)
    assert sizes == [1000, 1000]
