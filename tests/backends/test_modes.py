"""Cold starts, throughput and paced arrival: on a fake server whose truth is known, and on real ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping

import numpy as np
import pytest

from compressor.backends import processes, streams
from compressor.backends.base import Array, Session
from compressor.backends.comparison import AGAIN
from compressor.backends.modes import MODES, Mode
from compressor.backends.paced import latencies_ns
from compressor.backends.sampling import ProcessSamples, Sampling, sample
from compressor.backends.throughput import period_ns
from compressor.backends.timing import compare
from compressor.errors import BackendError, CompressorError, UsageError
from tests.backends.small_models import chain

FEEDS = {"x": np.ones((2, 16), np.float32)}


class Sleeper(Session):
    """Each run sleeps as long as it is told."""

    provider, threads = "sleeper", 1

    def __init__(self, run_s: float, fails_after: int | None = None) -> None:
        self.inputs, self.output_names = [], []
        self.run_s, self.fails_after, self.runs = run_s, fails_after, 0

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        self.runs += 1
        if self.fails_after is not None and self.runs > self.fails_after:
            raise BackendError("broke")
        time.sleep(self.run_s)
        return {}

    def time_ns(self, feeds: Mapping[str, Array], repeats: int) -> list[int]:
        for _ in range(repeats):
            self.run(feeds)
        return [round(self.run_s * 1e9)] * repeats

    def close(self) -> None:
        pass


def test_streams_add_up() -> None:
    periods = [period_ns([Sleeper(0.004) for _ in range(count)], {}, 4e6, 0.2) for count in (1, 4)]
    assert 3.5e6 < periods[0] < 60e6  # 4e6, when nobody disturbs
    assert periods[1] < periods[0] / 1.5  # four sleepers: a quarter


def test_a_fast_server_answers_at_once_and_a_slow_one_piles_up() -> None:
    fast, growing = latencies_ns([Sleeper(0.002)], {}, rate=50, turn_s=0.4)
    assert len(fast) == 20
    assert not growing
    assert 1.8e6 < np.median(fast) < 60e6
    slow, growing = latencies_ns([Sleeper(0.02)], {}, rate=200, turn_s=0.2)
    assert growing
    # Request i is due at 5 i ms and done at 20 (i + 1) ms at the earliest: waiting counts.
    assert slow[-1] > 0.9 * (20e6 * len(slow) - 5e6 * (len(slow) - 1))
    assert slow == sorted(slow)


def test_a_second_stream_takes_the_load_off_the_first() -> None:
    one, _ = latencies_ns([Sleeper(0.02)], {}, rate=70, turn_s=0.3)
    two, _ = latencies_ns([Sleeper(0.02), Sleeper(0.02)], {}, rate=70, turn_s=0.3)
    assert two[-1] < one[-1] / 1.5


def test_few_requests_are_still_some() -> None:
    found, _ = latencies_ns([Sleeper(0)], {}, rate=500, turn_s=0)
    assert len(found) == 5


@pytest.mark.parametrize("count", [1, 3])
def test_a_failing_stream_ends_the_turn(count: int) -> None:
    sessions = [Sleeper(0.001, fails_after=3), *(Sleeper(0.001) for _ in range(count - 1))]
    with pytest.raises(BackendError, match="broke"):
        latencies_ns(sessions, {}, rate=100, turn_s=30)
    sessions = [Sleeper(0.001, fails_after=0), *(Sleeper(0.001) for _ in range(count - 1))]
    with pytest.raises(BackendError, match="broke"):
        period_ns(sessions, {}, 1e6, 0.05)


def test_the_cause_is_told_and_not_the_broken_barrier() -> None:
    barrier = threading.Barrier(2)

    def work(number: int) -> None:
        if number == 1:
            raise UsageError("the cause")
        barrier.wait()

    with pytest.raises(UsageError, match="the cause"):
        streams.in_threads(work, 2, barrier.abort)


def test_overload_is_told_by_name() -> None:
    with Sleeper(0.01) as slow, Sleeper(0.0001) as fast:
        sampling = Sampling(blocks=2, min_time_s=0.2, max_time_s=60, seed=0)
        found = sample({"slow": slow, "fast": fast}, {}, sampling, mode=Mode("paced", rate=300))
    assert found.overloaded[0] == "slow"
    assert len(found.runs_ns["fast"]) == 2
    assert "300 requests a second" in found.timed["fast"]


@pytest.mark.parametrize("mode", [Mode("throughput", streams=2), Mode("paced", rate=100, streams=2), Mode()])
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
    from compressor.backends import timing

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


def test_every_mode_says_what_it_times() -> None:
    said = {Mode(kind, rate=30 if kind == "paced" else None).timed("whole runs") for kind in MODES}
    assert len(said) == len(MODES)
