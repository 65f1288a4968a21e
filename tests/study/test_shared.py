"""Who does which trial: in one process, whatever happens to it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compressor.errors import EnvironmentProblem, NothingToPruneError, UsageError
from compressor.proof import Progress
from compressor.study.grid import Trial
from compressor.study.recipe import Recipe
from compressor.study.shared import MOST_ATTEMPTS, Shared
from compressor.study.storage import Pulse, answering
from compressor.study.workers import work
from tests.study.small import PULSE, Acting, figure, job, noted, recipe

pytest.importorskip("optuna")
KEYS = 8


def test_all_trials_are_done_once_and_resuming_does_nothing(tmp_path: Path) -> None:
    found, log = job(tmp_path), tmp_path / "log"
    assert work(found, found.open(), act=Acting(log)) == KEYS
    assert work(found, found.open(), act=Acting(log)) == 0
    assert sorted(noted(log, "ended")) == sorted(set(noted(log, "began")))
    assert len(noted(log, "began")) == KEYS
    finished = found.open().finished()
    assert [entry.result and entry.result["metric"] for entry in finished] == [figure(e.trial) for e in finished]


def test_interrupted_work_goes_on_where_it_was(tmp_path: Path) -> None:
    found, log = job(tmp_path), tmp_path / "log"
    act, seen = Acting(log), []

    def interrupted(recipe: Recipe, folder: Path, trial: Trial, progress: Progress) -> dict[str, Any]:
        seen.append(trial.key)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return act(recipe, folder, trial, progress)

    with pytest.raises(KeyboardInterrupt):
        work(found, found.open(), act=interrupted)
    assert found.open().tally().running == 0
    assert work(found, found.open(), act=act) == KEYS - 2
    assert len(noted(log, "ended")) == len(set(noted(log, "ended"))) == KEYS


def test_errors_are_kept_and_not_tried_again_unless_asked_for(tmp_path: Path) -> None:
    found, log = job(tmp_path), tmp_path / "log"
    act, tried = Acting(log), []

    def picky(recipe: Recipe, folder: Path, trial: Trial, progress: Progress) -> dict[str, Any]:
        tried.append(trial.key)
        if trial.ratio == 0.8 and trial.regime == "geometric":
            raise NothingToPruneError("there is nothing left to remove")
        return act(recipe, folder, trial, progress)

    shared = found.open()
    assert work(found, shared, act=picky) == KEYS - 2
    assert len(tried) == KEYS
    failures = [entry for entry in found.open().finished() if entry.error]
    assert {(e.trial.ratio, e.trial.regime, e.error) for e in failures} == {
        (0.8, "geometric", "there is nothing left to remove")
    }
    assert shared.tally().failed == 2
    assert shared.retry_failed() == 2
    assert work(found, found.open(), act=act) == 2
    assert found.open().tally().done == KEYS


def test_a_trial_added_twice_is_done_once(tmp_path: Path) -> None:
    found, log = job(tmp_path), tmp_path / "log"
    shared = found.open()
    for key in [*shared._trials, *shared._trials]:  # as two that start at the same moment may do
        shared._add(key)
    assert work(found, shared, act=Acting(log)) == KEYS
    assert len(noted(log, "began")) == KEYS


def test_a_trial_taken_twice_counts_once(tmp_path: Path) -> None:
    shared = job(tmp_path).open()
    taken = [shared.claim() for _ in range(KEYS)]
    assert len({claimed[1].key for claimed in taken if claimed}) == KEYS
    assert shared.claim() is None


def test_a_worker_that_came_back_too_late_changes_nothing(tmp_path: Path) -> None:
    shared = job(tmp_path).open()
    claimed = shared.claim()
    assert claimed is not None
    shared.put_back(claimed[0])
    assert not shared.finish(claimed[0], {"metric": 0.5})
    assert not shared.fail(claimed[0], "too late")
    assert shared.tally().done == shared.tally().failed == 0


def test_a_trial_that_kills_its_workers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from optuna.trial import TrialState

    shared = job(tmp_path, ratios=[0.5], seeds=[0], regimes={"one-shot": {}}).open()
    for _ in range(MOST_ATTEMPTS):
        claimed = shared.claim()
        assert claimed is not None
        shared._storage.set_trial_state_values(shared._identity(claimed[0]), TrialState.FAIL)  # as when it is stale
    assert shared.claim() is None
    assert shared.tally().over
    assert [entry.error for entry in shared.finished()] == [f"its worker died {MOST_ATTEMPTS} times"]


def test_a_worker_that_dies_before_its_first_pulse_is_noticed(tmp_path: Path) -> None:
    found = replace(job(tmp_path, ratios=[0.5], seeds=[0], regimes={"one-shot": {}}), pulse=Pulse(1, 1))
    claimed = found.open().claim()
    assert claimed is not None
    shared, deadline = found.open(), time.monotonic() + 60
    while (again := shared.claim()) is None:  # databases tell the time in seconds
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert again[1] == claimed[1]
    assert again[0] != claimed[0]


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    found = job(tmp_path)
    (tmp_path / "study.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(UsageError, match="is no database of a study"):
        found.open()


def test_a_database_that_breaks_is_one_error(tmp_path: Path) -> None:
    found = job(tmp_path)
    shared = found.open()
    (tmp_path / "study.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(EnvironmentProblem, match="does not answer"), answering(found.storage):
        shared.claim()


def test_another_recipe_is_refused(tmp_path: Path) -> None:
    found = job(tmp_path)
    found.open()
    with pytest.raises(UsageError, match="made from another recipe"):
        job(tmp_path, seeds=[0, 1, 2]).open()
    job(tmp_path, seeds=[0, 1, 2], name="other").open()
    found.open()


@pytest.mark.parametrize("url", ["nonsense", "nonsense://x", "mysql+nonsense://x"])
def test_what_is_no_storage_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="is no storage"):
        Shared(recipe(), "", url, PULSE)


def test_a_missing_driver_is_named_without_the_password() -> None:
    try:
        import psycopg2  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        with pytest.raises(EnvironmentProblem, match="driver is not installed") as caught:
            Shared(recipe(), "", "postgresql://me:secret@host/name", PULSE)
        assert "secret" not in caught.value.one_line()
    else:
        pytest.skip(f"psycopg2 {psycopg2.__version__} is installed")
