"""Recipes and stand-ins for trials that the tests of studies share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from compressor.proof import Progress
from compressor.study.grid import Trial
from compressor.study.reading import parse_recipe
from compressor.study.recipe import Recipe
from compressor.study.shared import Finished
from compressor.study.storage import Pulse
from compressor.study.workers import Job, work
from tests.house.source_tree import ROOT

PULSE = Pulse(interval_s=1, grace_s=3)


def raw(**more: Any) -> dict[str, Any]:
    """A recipe as a file holds it: 2 regimes x 2 ratios x 2 seeds."""
    return {
        "name": "small", "models": {"digits": "demo"}, "data": {"source": "demo"}, "test": "demo",
        "ratios": [0.5, 0.8], "regimes": {"one-shot": {}, "geometric": {"steps": 2}}, "criteria": ["l1"],
        "seeds": [0, 1], "budget": {"epochs": 2}, **more,
    }  # fmt: skip


def recipe(**more: Any) -> Recipe:
    """The same, read."""
    return parse_recipe(raw(**more), "recipe.json")


def job(folder: Path, **more: Any) -> Job:
    """The same in a file, with a database beside it."""
    path = folder / "recipe.json"
    path.write_text(json.dumps(raw(**more)), encoding="utf-8")
    return Job(path, f"sqlite:///{folder / 'study.db'}", PULSE)


def figure(trial: Trial) -> float:
    """What a stand-in finds: a function of its factors."""
    return 1 - trial.ratio / 10 - trial.seed / 100 - (trial.regime == "one-shot") / 1000


def result(trial: Trial) -> dict[str, Any]:
    """A trial's result, made up."""
    return {
        "metric": figure(trial), "test": {"loss": 1.0, "accuracy": figure(trial)}, "removed": {"params": trial.ratio},
        "shares": [trial.ratio], "epochs": [2], "spent": [2.0], "seconds": 0.5,
    }  # fmt: skip


class Acting:
    """Stands in for the work of a trial: notes that it began and that it ended, and may hang in between."""

    def __init__(self, log: Path, seconds: float = 0.0, hang_at: str = "") -> None:
        self._log, self._seconds, self._hang_at = log, seconds, hang_at

    def __call__(self, recipe: Recipe, folder: Path, trial: Trial, progress: Progress) -> dict[str, Any]:
        self._note("began", trial)
        time.sleep(600 if self._hang_at and trial.key == self._hang_at else self._seconds)
        self._note("ended", trial)
        return {**result(trial), "worker": os.getpid()}

    def _note(self, what: str, trial: Trial) -> None:
        with self._log.open("a", encoding="utf-8") as file:  # one short line: appended whole
            file.write(f"{what} {trial.key}\n")


def noted(log: Path, what: str) -> list[str]:
    """Keys of the trials that began, or ended."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [line.partition(" ")[2] for line in lines if line.startswith(f"{what} ")]


def start_worker(
    found: Job, log: Path, *, seconds: float = 0.0, hang_at: str = "", together: int = 1
) -> subprocess.Popen[bytes]:
    """A worker with a stand-in, in a process of its own; it begins when so many have their logs beside its own."""
    pulse = [str(found.pulse.interval_s), str(found.pulse.grace_s)]
    told = [str(found.recipe), found.storage, *pulse, str(log), str(seconds), hang_at, str(together)]
    return subprocess.Popen([sys.executable, "-m", "tests.study.small", *told], cwd=ROOT)


def finished(trials: list[tuple[Trial, float]]) -> list[Finished]:
    """Trials with these figures."""
    return [Finished(trial, {**result(trial), "metric": metric}, None) for trial, metric in trials]


def _main(recipe: str, storage: str, interval: str, grace: str, log: str, seconds: str, hang: str, many: str) -> None:
    """A worker's whole life."""
    found = Job(Path(recipe), storage, Pulse(int(interval), int(grace)))
    opened = found.open()
    Path(log).touch()
    while len(list(Path(log).parent.glob("*.log"))) < int(many):
        time.sleep(0.01)
    work(found, opened, act=Acting(Path(log), float(seconds), hang))


if __name__ == "__main__":
    _main(*sys.argv[1:])
