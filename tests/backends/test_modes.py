"""Cold starts, throughput and paced arrival through processes, and what ends them early."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from compressor.backends import cold_start, feed_files, processes, streams, timing
from compressor.backends.comparison import AGAIN
from compressor.backends.load import Conditions
from compressor.backends.modes import MODES, Mode, ModeName
from compressor.backends.paced import latencies_ns
from compressor.backends.sampling import ProcessSamples, Sampling, sample
from compressor.backends.throughput import period_ns
from compressor.backends.timing import compare
from compressor.errors import BackendError, CompressorError, MachineError, UsageError
from tests.backends.servers import Sleeper
from tests.backends.small_models import chain

FEEDS = {"x": np.ones((2, 16), np.float32)}


@pytest.mark.parametrize("count", [1, 3])
def test_a_failing_stream_ends_the_turn(count: int) -> None:
    sessions = [Sleeper(0.001, fails_after=3), *(Sleeper(0.001) for _ in range(count - 1))]
    with pytest.raises(BackendError, match="broke"):
        latencies_ns(sessions, {}, rate=100, turn_s=30)
    sessions = [Sleeper(0.001, fails_after=0), *(Sleeper(0.001) for _ in range(count - 1))]
    with pytest.raises(BackendError, match="broke"):
        period_ns(sessions, {}, 0.05)


def test_the_cause_is_told_and_not_the_broken_barrier() -> None:
    barrier = threading.Barrier(2)

    def work(number: int) -> None:
        if number == 1:
            raise UsageError("the cause")
        barrier.wait()

    with pytest.raises(UsageError, match="the cause"):
        streams.in_threads(work, 2, barrier.abort)


def test_a_thread_that_cannot_start_ends_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """They wait for it; the time limit is for a version that lets them."""
    barrier, start, calls = threading.Barrier(3), threading.Thread.start, [0]

    def fewer(thread: threading.Thread) -> None:
        calls[0] += 1
        if calls[0] > 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    def work(number: int) -> None:
        barrier.wait(10)

    monkeypatch.setattr(threading.Thread, "start", fewer)
    with pytest.raises(MachineError, match=r"no more than 2 of 3 threads: can't start.*fewer streams"):
        streams.in_threads(work, 3, barrier.abort)


def test_overload_is_told_by_name() -> None:
    with Sleeper(0.01) as slow, Sleeper(0.0001) as fast:
        sampling = Sampling(blocks=2, min_time_s=0.2, max_time_s=60, seed=0)
        found = sample({"slow": slow, "fast": fast}, {}, sampling, mode=Mode("paced", rate=300))
    assert found.overloaded[0] == "slow"
    assert len(found.runs_ns["fast"]) == 2
    assert "300 requests a second" in found.timed["fast"]


@pytest.mark.parametrize("mode", [Mode("throughput", streams=2), Mode("paced", rate=500, streams=2), Mode()])
def test_modes_through_processes(mode: Mode) -> None:
    models = {"short": chain(1, 64), "long": chain(40, 64)}
    feeds = {"x": np.ones((64, 64), np.float32)}
    found = compare(models, feeds, threads=1, processes=2, blocks=3, min_time_s=0.2, mode=mode)
    assert found.mode == mode
    assert (found.processes, found.blocks) == (2, 3)
    assert found.to_json()["mode"] == mode.to_json()
    assert found.conditions.wall_s > 0.2
    if mode.kind != "paced":
        assert found.ratios["long"].ratio > 2
    if mode.kind == "throughput":
        assert found.timings["short"].percentiles_ms == {}
        assert found.per_second("short") == pytest.approx(1e3 / found.timings["short"].median_ms)


def test_cold_starts_have_a_process_each(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    def counted(job: dict[str, object]) -> ProcessSamples:
        started.append(str(job["label"]))
        return processes.start_cold(job)

    monkeypatch.setattr(timing, "start_cold", counted)
    found = compare({"a": chain(2)}, FEEDS, threads=1, processes=3, mode=Mode("cold-start"))
    assert sorted(started) == sorted(["a", AGAIN] * 3)
    assert (found.processes, found.blocks) == (3, 1)
    timing_ms = found.timings["a"]
    assert set(timing_ms.parts_ms) == {"load", "first run"}
    assert sum(timing_ms.parts_ms.values()) < timing_ms.median_ms
    assert timing_ms.median_ms > 20  # no interpreter starts faster
    assert "fresh process" in found.timed


def test_what_a_cold_start_waited_for_a_cpu_is_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cold_start, "waited_s", lambda: {"1": 0.2, "2": 0.5})
    feed_files.save(FEEDS, tmp_path)
    onnx.save(chain(1), str(tmp_path / "a.onnx"))

    def here(job: dict[str, Any]) -> ProcessSamples:
        return cold_start.start_once({**job, "started_ns": 0})

    job = {"backend": "null", "threads": 1, "label": "a", "model": str(tmp_path / "a.onnx"), "feeds": str(tmp_path)}
    assert Conditions(**here(job).conditions).waited_s == 0.5
    monkeypatch.setattr(timing, "start_cold", here)
    found = compare({"a": chain(1)}, FEEDS, backend="null", threads=1, processes=3, mode=Mode("cold-start"))
    assert found.conditions.waited_s == pytest.approx(3 * 2 * 0.5)  # with its A/A


def test_cold_starts_end_in_time() -> None:
    found = compare({"a": chain(1)}, FEEDS, backend="null", processes=50, max_time_s=1e-6, mode=Mode("cold-start"))
    assert found.processes == 1


def test_errors_of_a_cold_start_come_back() -> None:
    with pytest.raises(CompressorError, match="cannot open"):
        compare({"a": b"no model"}, FEEDS, processes=1, mode=Mode("cold-start"))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"kind": "warm"}, "unknown mode 'warm'. Known: latency, cold-start, throughput, paced"),
        ({"kind": "paced"}, "needs a rate"),
        ({"kind": "latency", "rate": 30.0}, "has no rate"),
        ({"kind": "paced", "rate": 0.0}, "between 0 and"),
        ({"kind": "paced", "rate": float("nan")}, "between 0 and"),
        ({"kind": "paced", "rate": 1e9}, "between 0 and"),
        ({"kind": "cold-start", "streams": 2}, "one stream"),
        ({"kind": "throughput", "streams": 0}, "streams must lie"),
    ],
)
def test_modes_that_make_no_sense(fields: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Mode(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["torch-cuda-graph", "torch-compile-cuda:1"])
@pytest.mark.parametrize("kind", ["cold-start", "throughput", "paced"])
def test_what_replays_graphs_has_one_mode(name: str, kind: ModeName) -> None:
    mode = Mode(kind, rate=30 if kind == "paced" else None)
    with pytest.raises(UsageError, match=f"{name} replays .* in the mode latency only, not in {kind}"):
        compare({"a": chain(1)}, FEEDS, backend=name, mode=mode)


def test_every_mode_says_what_it_times() -> None:
    said = {Mode(kind, rate=30 if kind == "paced" else None).timed("whole runs") for kind in MODES}
    assert len(said) == len(MODES)
