"""Rounds, exactly: what is measured again, what a failure takes; and the check on a fake runtime and a real one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compressor.backends.comparison import AGAIN, Comparison, summarize
from compressor.backends.decision import DISTURBED_CONFIDENCE, QUIET_CONFIDENCE, Decision, Outcome
from compressor.backends.load import Conditions
from compressor.backends.sampling import ProcessSamples
from compressor.backends.statistics import Ratio
from compressor.gate import latency_rounds
from compressor.gate.checks import latency as check
from compressor.gate.latency_rounds import Round, Stored, in_rounds, judged
from tests.gate.small import gated, saved_chain, statuses

QUICK = {"backend": "null", "processes": 2, "seconds": 0.01}


def measured(factor: float, conditions: Conditions = Conditions(), spread: float = 0.002, seed: int = 0) -> Comparison:  # noqa: B008
    """A comparison whose truth is known: 5 processes of 10 blocks."""
    rng = np.random.default_rng(seed)

    def times(center: float) -> list[list[int]]:
        return [[round(1e6 * center * (1 + abs(rng.normal(0, spread)))) for _ in range(3)] for _ in range(10)]

    collected = [
        ProcessSamples(
            runs_ns={"baseline": times(1), "candidate": times(factor), AGAIN: times(1)},
            providers=dict.fromkeys(("baseline", "candidate", AGAIN), "p"),
            threads=dict.fromkeys(("baseline", "candidate", AGAIN), 1),
            timed=dict.fromkeys(("baseline", "candidate", AGAIN), "runs"),
            conditions=conditions.to_json(),
        )
        for _ in range(5)
    ]
    return summarize(collected, backend="null", seed=seed, warnings=[], fingerprint={})


def rounds_of(*outcomes: Outcome) -> tuple[Decision, int]:
    """The verdict over rounds that come out so, and how many were made."""
    comparison = measured(1.0)

    def measure(number: int) -> Round:
        return Round(comparison, Ratio(1, 1, 1), Ratio(1, 1, 1), Decision(outcomes[number], f"reason {number}"))

    decision, rounds = in_rounds(measure)
    return decision, len(rounds)


@pytest.mark.parametrize(
    ("outcomes", "verdict", "count"),
    [
        (("pass",), "pass", 1),
        (("fail", "fail"), "fail", 2),
        (("fail", "pass"), "inconclusive", 2),
        (("fail", "inconclusive"), "inconclusive", 2),
        (("inconclusive", "pass"), "pass", 2),
        (("inconclusive", "inconclusive"), "inconclusive", 2),
        (("inconclusive", "fail", "fail"), "fail", 3),
        (("inconclusive", "fail", "pass"), "inconclusive", 3),
        (("inconclusive", "fail", "inconclusive"), "inconclusive", 3),
    ],
)
def test_a_failure_takes_two_rounds_that_agree(outcomes: tuple[Outcome, ...], verdict: str, count: int) -> None:
    decision, made = rounds_of(*outcomes)
    assert (decision.outcome, made) == (verdict, count)
    assert f"reason {count - 1}" in decision.reason


def test_the_machine_decides_how_sure_one_must_be() -> None:
    quiet = judged(measured(1.0), "candidate", limit=1.05, min_effect=0)
    assert quiet.ratio.confidence == QUIET_CONFIDENCE
    assert quiet.decision.outcome == "pass"
    busy = judged(
        measured(1.0, Conditions(wall_s=10, other_s=8)), "candidate", limit=1.05, min_effect=0
    )  # fmt: skip
    assert busy.ratio.confidence == DISTURBED_CONFIDENCE
    assert busy.ratio.high - busy.ratio.low > quiet.ratio.high - quiet.ratio.low
    for factor in (1.0, 2.0):
        starved = judged(
            measured(factor, Conditions(wall_s=10, waited_s=9.5)), "candidate", limit=1.05, min_effect=0
        )  # fmt: skip
        assert starved.decision.outcome == "inconclusive"
        assert "wait 95% of the time" in starved.decision.reason


@pytest.mark.parametrize(("factor", "outcome"), [(1.0, "pass"), (1.02, "inconclusive"), (1.05, "fail")])
def test_known_ratios(factor: float, outcome: str) -> None:
    found = judged(measured(factor), "candidate", limit=1.02, min_effect=0)
    assert found.decision.outcome == outcome


def test_stored_times_carry_the_noise_of_both_measurements() -> None:
    comparison = measured(1.10)
    quiet = Stored(comparison.samples_ns["baseline"], Ratio(1, 0.999, 1.001))
    assert judged(comparison, "candidate", limit=1.05, min_effect=0, stored=quiet).decision.outcome == "fail"
    noisy = Stored(comparison.samples_ns["baseline"], Ratio(1, 0.94, 1.01))
    found = judged(comparison, "candidate", limit=1.05, min_effect=0, stored=noisy)
    assert found.decision.outcome == "inconclusive"
    assert found.noise.spread() == pytest.approx(0.06 + comparison.noise.spread())


def test_the_second_round_is_longer_and_in_fresh_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def recorded(models: Any, feeds: Any, **options: Any) -> Comparison:
        calls.append(options)
        return measured(1.10)

    monkeypatch.setattr(check, "compare", recorded)
    a = saved_chain(tmp_path / "a.onnx")
    report = gated(a, a, latency={"max_ratio": 1.05, "seconds": 3, "processes": 4, "max_seconds": 50})
    assert report.status == "fail"
    assert "confirmed in fresh processes" in report.findings[0].reason
    assert [call["processes"] for call in calls] == [4, 8]
    assert [call["min_time_s"] for call in calls] == [3, 6]
    assert sum(call["max_time_s"] for call in calls) <= 50
    assert calls[0]["seed"] != calls[1]["seed"]
    kept = report.findings[0].details["rounds"]
    assert [each["outcome"] for each in kept] == ["fail", "fail"]
    assert kept[0]["comparison"]["samples_ns"]["candidate"]


@pytest.mark.usefixtures("steady")
@pytest.mark.parametrize("length", [6, 8])
def test_on_a_runtime_whose_times_are_known(length: int, tmp_path: Path) -> None:
    a, b = saved_chain(tmp_path / "a.onnx", 6), saved_chain(tmp_path / "b.onnx", length)
    report = gated(a, b, latency={"max_ratio": 1.05, **QUICK})
    finding = report.findings[0]
    assert finding.status == ("pass" if length == 6 else "fail")
    assert finding.value == pytest.approx(length / 6, rel=0.01)
    assert finding.candidate == pytest.approx(length * 2 * 0.01, rel=0.05)  # 10 us a node
    assert finding.rule == "max_ratio (null, 1 thread, latency)"
    assert finding.details["noise_floor"] < 0.03


def test_each_backend_is_a_finding(tmp_path: Path) -> None:
    a = saved_chain(tmp_path / "a.onnx")
    report = gated(a, a, latency={"max_ratio": 9, **QUICK, "backend": ["null", "onnxruntime-cpu"]})
    assert list(statuses(report)) == [
        "latency max_ratio (null, 1 thread, latency)", "latency max_ratio (onnxruntime-cpu, 1 thread, latency)",
    ]  # fmt: skip


@pytest.mark.parametrize("mode", [{"mode": "throughput"}, {"mode": "cold-start"}, {"mode": "paced", "rate": 200}])
def test_modes(mode: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency_rounds, "MOST_ROUNDS", 1)
    a = saved_chain(tmp_path / "a.onnx")
    settings = {"max_ratio": 1e5, "processes": 6 if mode["mode"] == "cold-start" else 2, "seconds": 0.1, **mode}
    finding = gated(a, a, latency=settings).findings[0]
    assert finding.rule.endswith(f"{mode['mode']})")
    assert finding.details["rounds"][0]["comparison"]["mode"]["kind"] == mode["mode"]
    assert finding.status in {"pass", "inconclusive"}  # a busy machine may be too noisy for so short a run


def test_a_machine_that_cannot_measure_is_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = saved_chain(tmp_path / "a.onnx")
    report = gated(a, a, latency={"max_ratio": 2, "threads": 1024})
    assert report.exit_code == 3
    assert f"1024 threads cannot be timed on {len(os.sched_getaffinity(0))} CPUs" in report.findings[0].reason
    monkeypatch.setattr(check, "cgroup_cpus", lambda: 0.5)
    assert "on 0.5 CPUs" in gated(a, a, latency={"max_ratio": 2}).findings[0].reason


def test_the_slow_model_of_the_figures_gives_the_same_outputs(tmp_path: Path) -> None:
    import onnx

    from compressor.models.demo import demo_model_path
    from tests.benchmarks.gates import slower_model

    onnx.save(slower_model(), str(tmp_path / "slow.onnx"))
    report = gated(demo_model_path(), tmp_path / "slow.onnx", drift={"max_abs": 1e-5})
    assert report.status == "pass"
