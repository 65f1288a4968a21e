"""Paced arrival on a made-up clock: what is overload, however little of it a turn sees, and when a turn ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compressor.backends import paced
from compressor.backends.base import Session
from compressor.backends.comparison import AGAIN, Comparison, summarize
from compressor.backends.modes import Mode
from compressor.backends.paced import is_overloaded, latencies_ns
from compressor.backends.sampling import ProcessSamples
from tests.backends.servers import Clock, Sleeper


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made_up = Clock()
    monkeypatch.setattr(paced, "time", made_up)
    return made_up


def test_a_fast_server_answers_at_once(clock: Clock) -> None:
    found, late = latencies_ns([Sleeper(0.002, sleep=clock.sleep)], {}, rate=50, turn_s=0.4)
    assert len(found) == 50
    assert not late
    np.testing.assert_allclose(found, 2e6, atol=10e3)


def test_waiting_counts_and_what_waits_too_long_is_given_up(clock: Clock) -> None:
    server, start = Sleeper(0.02, sleep=clock.sleep), clock.now_ns
    slow, late = latencies_ns([server], {}, rate=200, turn_s=0.2)
    assert late
    # Request i is due at 5 i ms and done at 20 (i + 1) ms.
    np.testing.assert_allclose(slow, [20e6 * (i + 1) - 5e6 * i for i in range(len(slow))], atol=1e6)
    assert 0.75 < (clock.now_ns - start) / 1e9 < 0.8  # three times the 50 requests' 0.25 s, and not their 1 s
    assert len(slow) == server.runs - 1 == 38


def test_a_turn_is_bounded_however_many_wait(clock: Clock) -> None:
    start = clock.now_ns
    found, late = latencies_ns([Sleeper(0.1, sleep=clock.sleep)], {}, rate=100_000, turn_s=0.04)
    assert late
    assert len(found) == 2
    assert clock.now_ns - start < 0.5e9


@pytest.mark.parametrize(("load", "overloaded"), [(0.5, False), (0.95, False), (1.05, True), (1.35, True), (2.5, True)])
@pytest.mark.parametrize("rate", [0.5, 30, 1000])
def test_a_few_requests_a_turn_are_enough_to_tell(clock: Clock, load: float, overloaded: bool, rate: float) -> None:
    _, late = latencies_ns([Sleeper(load / rate, sleep=clock.sleep)], {}, rate=rate, turn_s=0.04)
    assert late == overloaded


def test_one_slow_run_is_no_overload(clock: Clock) -> None:
    class Stalls(Sleeper):
        def run(self, feeds: object) -> Any:
            self.run_s = 0.08 if self.runs == 10 else 0.005
            return super().run({})

    found, late = latencies_ns([Stalls(0, sleep=clock.sleep)], {}, rate=100, turn_s=0.04)
    assert max(found) > 75e6
    assert sum(time > 6e6 for time in found) > 10  # others had to wait for it
    assert not late


def test_work_is_shared_among_streams() -> None:
    waits = [0] * 50
    assert not is_overloaded(waits, [3_500] * 50, 1000, streams=4)
    assert is_overloaded(waits, [4_200] * 50, 1000, streams=4)
    assert is_overloaded([0] * 5, [9_000] * 5, 1000, streams=8)  # none had to wait yet


def test_a_queue_that_grows_is_overload_whatever_the_cause() -> None:
    works = [500] * 50
    assert is_overloaded([200 * index for index in range(50)], works, 1000, streams=1)
    assert not is_overloaded([5_000 - 100 * index for index in range(50)], works, 1000, streams=1)
    assert not is_overloaded([100 * (index % 3) for index in range(50)], works, 1000, streams=1)


def test_a_second_stream_takes_the_load_off_the_first() -> None:
    one, _ = latencies_ns([Sleeper(0.008)], {}, rate=200, turn_s=0)
    two, _ = latencies_ns([Sleeper(0.008), Sleeper(0.008)], {}, rate=200, turn_s=0)
    assert two[-1] < one[-1] / 1.5


@pytest.mark.parametrize(
    ("rate", "turn_s", "count"),
    [(500, 0, 50), (500, 1, 500), (30, 0.04, 50), (10, 0.04, 20), (1, 0.04, 5), (0.1, 0.04, 5), (100_000, 60, 20_000)],
)
def test_how_many_requests_a_turn_has(rate: float, turn_s: float, count: int) -> None:
    assert paced._requests(rate, turn_s) == count


def measured(*overloaded: str) -> Comparison:
    """A model that takes half as long as the baseline, in two processes; the first names those that did not keep up."""
    labels = ("a", "b", AGAIN)

    def process(late: list[str]) -> ProcessSamples:
        runs = {label: [[10**6 // (2 if label == "b" else 1)]] * 10 for label in labels}
        every = dict.fromkeys(labels, "p")
        return ProcessSamples(runs, providers=every, threads=dict.fromkeys(labels, 1), timed=every, overloaded=late)

    mode = Mode("paced", rate=30)
    return summarize(
        [process(list(overloaded)), process([])], backend="null", seed=0, warnings=[], fingerprint={}, mode=mode
    )


def test_overload_concludes_nothing() -> None:
    found = measured()
    assert (found.overloaded, found.verdicts) == ([], {"b": "faster"})
    for late, named in (("b", "b"), ("a", "a"), (AGAIN, "a")):
        found = measured(late)
        assert (found.overloaded, found.verdicts) == ([named], {"b": "inconclusive"})
        assert found.to_json()["overloaded"] == [named]
        assert any(f"piled up at 30 requests a second: {named}." in warning for warning in found.warnings)


def test_a_session_is_bound_once(clock: Clock) -> None:
    """Sessions that copy or capture do so when bound: not for each request."""
    entered = []

    class Binds(Sleeper):
        def bound(self, feeds: object) -> object:  # type: ignore[override]
            entered.append(1)
            return super().bound({})

    session: Session = Binds(0.001, sleep=clock.sleep)
    latencies_ns([session], {}, rate=100, turn_s=0.1)
    assert len(entered) == 1
