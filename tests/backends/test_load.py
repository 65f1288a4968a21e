"""Waiting for a CPU: of the thread that waits longest, and of threads that have ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from compressor.backends import load, streams
from compressor.backends.load import Conditions, CpuUse, counted_waiting, waited_s


def use(wall_s: float, **waited: float) -> CpuUse:
    return CpuUse(wall_s=wall_s, busy_s=0, stolen_s=0, own_s=0, waited_s=waited)


def test_many_threads_that_wait_a_little_hold_a_run_up_a_little() -> None:
    before = use(0, **{f"t{index}": 1.0 for index in range(16)})
    after = use(10, **{f"t{index}": 1.6 for index in range(16)})
    assert Conditions.between(before, after).waited_share == pytest.approx(0.06)
    one = Conditions.between(use(0, main=1, other=5), use(10, main=4, other=5.1, new=0.2))
    assert one.waited_s == pytest.approx(3)
    assert Conditions.between(use(0), use(10)).waited_s == 0


def test_the_kernels_second_column_is_read_for_each_thread(tmp_path: Path) -> None:
    for thread, waited_ns in {"7": 1_500_000_000, "9": 20_000_000}.items():
        (tmp_path / thread).mkdir()
        (tmp_path / thread / "schedstat").write_text(f"123 {waited_ns} 4\n")
    (tmp_path / "11").mkdir()  # it has just ended
    found = waited_s(tmp_path)
    assert {name: found[name] for name in ("7", "9", "11")} == {"7": 1.5, "9": 0.02, "11": 0}


def test_threads_that_have_ended_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    readings = iter([1.0, 1.4, 10.0, 10.1])
    monkeypatch.setattr(load, "_ended_s", {})
    monkeypatch.setattr(load, "_in_queues_s", lambda thread: next(readings))
    for _ in range(2):
        with counted_waiting("stream 1"):
            pass
    assert waited_s(tmp_path) == {"stream 1": pytest.approx(0.5)}


def test_streams_are_counted_by_their_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(load, "_ended_s", {})
    streams.in_threads(lambda number: None, 3, lambda: None)
    assert sorted(waited_s(tmp_path)) == ["stream 0", "stream 1", "stream 2"]
