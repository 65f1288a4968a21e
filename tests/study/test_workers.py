"""Several worker processes on one SQLite file: each trial once, and nothing is lost when one is killed."""

from __future__ import annotations

import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from compressor.study.grid import trials_of
from compressor.study.storage import Pulse
from compressor.study.workers import work
from tests.study.small import Acting, job, noted, start_worker

pytest.importorskip("optuna")
pytestmark = pytest.mark.slow
MANY = {"seeds": list(range(6))}  # 24 trials


def test_two_workers_do_each_trial_exactly_once(tmp_path: Path) -> None:
    found, logs = replace(job(tmp_path, **MANY), pulse=Pulse()), [tmp_path / "first.log", tmp_path / "second.log"]
    workers = [start_worker(found, log, seconds=0.05, together=len(logs)) for log in logs]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    shared = found.open()
    began = [key for log in logs for key in noted(log, "began")]
    assert sorted(began) == sorted(trial.key for trial in trials_of(shared.recipe))
    assert all(noted(log, "ended") for log in logs), "one of them did nothing"
    assert (shared.tally().done, shared.tally().failed) == (24, 0)
    assert len({entry.result["worker"] for entry in shared.finished() if entry.result}) == 2


def test_killing_a_worker_loses_no_finished_trial(tmp_path: Path) -> None:
    found, log, rest = job(tmp_path), tmp_path / "killed.log", tmp_path / "rest.log"
    trials = trials_of(found.open().recipe)
    hang_at = trials[3].key
    doomed = start_worker(found, log, hang_at=hang_at)
    deadline = time.monotonic() + 60
    while hang_at not in noted(log, "began"):
        assert time.monotonic() < deadline
        assert doomed.poll() is None
        time.sleep(0.05)
    doomed.send_signal(signal.SIGKILL)
    assert doomed.wait() == -signal.SIGKILL
    before = {entry.trial.key: entry.result for entry in found.open().finished()}
    assert sorted(before) == sorted(trial.key for trial in trials[:3])
    shared = found.open()
    assert work(found, shared, act=Acting(rest)) == len(trials) - 3
    assert noted(rest, "ended").count(hang_at) == 1  # after its heart had stopped for a while
    after = {entry.trial.key: entry.result for entry in shared.finished()}
    assert len(after) == len(trials)
    assert {key: after[key] for key in before} == before
