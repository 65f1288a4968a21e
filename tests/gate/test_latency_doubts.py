"""Ratios that are of something else than the models: stored times of a busy machine, models that did not keep up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compressor.backends.load import Conditions
from compressor.backends.statistics import Ratio
from compressor.gate.latency_doubts import doubt_about, doubted
from compressor.gate.latency_rounds import Round, Stored, judged
from compressor.gate.latency_stored import StoredLatency
from tests.gate.test_latency import measured

QUIET = Conditions(wall_s=10, other_s=0.5)
BUSY = Conditions(wall_s=10, other_s=8)


def stored(conditions: Conditions = QUIET, drift: float | None = None, factor: float = 1.0) -> StoredLatency:
    """The baseline's times, from another run, in which everything took ``factor`` times as long."""
    times = measured(factor, seed=1).samples_ns["candidate"]
    return StoredLatency(Stored(times, Ratio(1, 0.999, 1.001)), conditions, drift, False, {}, "r.json")


def decided(baseline: StoredLatency | None, conditions: Conditions, factor: float) -> Round:
    """A candidate that takes ``factor`` times as long as the baseline, held against 1.05."""
    comparison = measured(factor, conditions)
    times = None if baseline is None else baseline.times
    return doubted(
        judged(comparison, "candidate", limit=1.05, min_effect=0, stored=times), "candidate", baseline
    )  # fmt: skip


def test_on_a_quiet_machine_stored_times_decide() -> None:
    assert decided(stored(), QUIET, 1.0).decision.outcome == "pass"
    assert decided(stored(), QUIET, 1.3).decision.outcome == "fail"


def test_a_busy_machine_today_does_not_fail_the_same_model() -> None:
    """Everything takes 30 % longer because of a neighbour, and nothing interleaved the two."""
    found = decided(stored(), BUSY, 1.3)
    assert found.ratio.low > 1.25
    assert found.decision.outcome == "inconclusive"
    assert "not measured beside the candidate: Other programs kept 0.8 CPUs busy" in found.decision.reason
    assert decided(None, BUSY, 1.3).decision.outcome == "fail"  # side by side it hits both


def test_a_busy_machine_then_does_not_pass_a_slower_model() -> None:
    found = decided(stored(BUSY, factor=1.3), QUIET, 1.2)
    assert found.ratio.high < 1
    assert found.decision.outcome == "inconclusive"
    assert "when the baseline was measured the machine was not quiet" in found.decision.reason


@pytest.mark.parametrize("change", [0.1, -0.1])
def test_a_machine_that_changed_its_pace_decides_nothing(change: float) -> None:
    assert doubt_about(stored(drift=change)) is not None
    assert doubt_about(stored()) is None
    comparison = replace(measured(1.3, QUIET), drift=change)
    found = judged(comparison, "candidate", limit=1.05, min_effect=0, stored=stored().times)
    assert doubted(found, "candidate", stored()).decision.outcome == "inconclusive"
    assert doubted(found, "candidate", None).decision == found.decision


@pytest.mark.parametrize(
    ("late", "outcome"),
    [(["baseline"], "inconclusive"), (["candidate"], "inconclusive"), (["another"], "fail"), ([], "fail")],
)
def test_a_model_that_did_not_keep_up_has_no_ratio(late: list[str], outcome: str) -> None:
    comparison = replace(measured(1.3), overloaded=late)
    found = doubted(judged(comparison, "candidate", limit=1.05, min_effect=0), "candidate", None)
    assert found.decision.outcome == outcome
    assert ("requests piled up" in found.decision.reason) == (outcome == "inconclusive")
