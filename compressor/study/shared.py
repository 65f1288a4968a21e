"""What the workers of a study share: who does which trial, and what came of those done.

It is an Optuna study in a database. Which trials are missing is derived from
what is there, so whoever comes may add them: a trial counts once, by its key, whatever happened to its worker.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from compressor.study.grid import Trial, trials_of
from compressor.study.recipe import Recipe
from compressor.study.storage import Pulse, open_storage, study_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

MOST_ATTEMPTS = 3
"""A trial whose worker died so often is given up."""

KEY, RESULT, ERROR = "key", "result", "error"
_ORIGINALS = "originals"


@dataclass(frozen=True)
class Tally:
    """How many trials there are, by what became of them."""

    total: int
    done: int
    failed: int
    running: int

    @property
    def over(self) -> bool:
        """Nothing is left to do."""
        return self.done + self.failed == self.total


@dataclass(frozen=True)
class Finished:
    """A trial with its result, or with the error that ended it."""

    trial: Trial
    result: dict[str, Any] | None
    error: str | None


class Shared:
    """One study in its storage, as one process sees it."""

    def __init__(self, recipe: Recipe, digest: str, url: str, pulse: Pulse | None = None) -> None:
        """Open the study, or make it.

        Raises:
            UsageError: a study of that name is there, made from another recipe.
            EnvironmentProblem: Optuna or the database's driver is not installed, or the database does not answer.
        """
        self.recipe, self._pulse = recipe, pulse or Pulse()
        self._storage = open_storage(url, self._pulse)
        self._study = study_of(self._storage, recipe, digest)
        self._trials = {trial.key: trial for trial in trials_of(recipe)}

    # -- work --------------------------------------------------------------------------------------

    def claim(self) -> tuple[int, Trial] | None:
        """Take a trial that nobody works on: (its number in the storage, it); None where none is waiting now."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        self._mend()
        for found in self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            identity = self._identity(found.number)
            # First the pulse: a trial that is taken and has none is never found stale.
            self._storage.record_heartbeat(identity)
            try:
                if not self._storage.set_trial_state_values(identity, TrialState.RUNNING):
                    continue
            except UpdateFinishedTrialError:
                continue
            if self._is_duplicate(found):
                self._storage.set_trial_state_values(identity, TrialState.PRUNED)
                continue
            return found.number, self._trials[found.user_attrs[KEY]]
        return None

    @contextmanager
    def pulse(self, number: int) -> Iterator[None]:
        """Say that the trial's worker lives, while it works."""
        from optuna.exceptions import StorageInternalError

        stop, identity = Event(), self._identity(number)

        def beat() -> None:
            while True:
                with suppress(StorageInternalError):  # the database may come back before the trial is done
                    self._storage.record_heartbeat(identity)
                if stop.wait(self._pulse.interval_s):
                    return

        thread = Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def finish(self, number: int, result: dict[str, Any]) -> bool:
        """Store a result whole; False where the trial was taken from this worker in the meantime."""
        from optuna.trial import TrialState

        return self._end(number, RESULT, result, TrialState.COMPLETE, [float(result["metric"])])

    def fail(self, number: int, error: str) -> bool:
        """Store why a trial cannot be done; it is not tried again."""
        from optuna.trial import TrialState

        return self._end(number, ERROR, error, TrialState.FAIL, None)

    def put_back(self, number: int) -> None:
        """Leave a trial to others, undone."""
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        try:
            self._storage.set_trial_state_values(self._identity(number), TrialState.PRUNED)
        except UpdateFinishedTrialError:
            return
        self._mend()

    def retry_failed(self) -> int:
        """Forget the errors of failed trials, so that they are done again; how many."""
        from optuna.trial import TrialState

        failed = [key for key, found in self._by_key().items() if _became(found) == "failed"]
        for key in failed:
            self._add(key, first=True)
        for found in self._study.get_trials(deepcopy=False, states=(TrialState.FAIL,)):
            if found.user_attrs.get(KEY) in failed:
                self._study.set_user_attr(_forgiven(found.number), True)
        return len(failed)

    # -- what is there -----------------------------------------------------------------------------

    def tally(self) -> Tally:
        """Of now."""
        became = [_became(found) for found in self._by_key().values()]
        counts = {name: became.count(name) for name in ("done", "failed", "running")}
        return Tally(total=len(self._trials), **counts)

    def finished(self) -> list[Finished]:
        """All trials that are done or have failed, in the recipe's order."""
        found = []
        for key, attempts in self._by_key().items():
            trial, became = self._trials[key], _became(attempts)
            if became == "done":
                result = next(a.user_attrs[RESULT] for a in attempts if _is_done(a))
                found.append(Finished(trial, result, None))
            elif became == "failed":
                errors = [str(attempt.user_attrs[ERROR]) for attempt in attempts if ERROR in attempt.user_attrs]
                reason = errors[-1] if errors else f"its worker died {MOST_ATTEMPTS} times"
                found.append(Finished(trial, None, reason))
        return found

    @property
    def originals(self) -> dict[str, dict[str, Any]]:
        """What each model was before, once somebody has measured it."""
        found: dict[str, dict[str, Any]] = self._study.user_attrs.get(_ORIGINALS, {})
        return found

    def set_originals(self, measured: dict[str, dict[str, Any]]) -> None:
        """Store what each model was before."""
        self._study.set_user_attr(_ORIGINALS, measured)

    # -- inside ------------------------------------------------------------------------------------

    def _identity(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._study._study_id, number)

    def _by_key(self) -> dict[str, list[FrozenTrial]]:
        """Attempts at each trial of the recipe, in the order in which they were added."""
        found: dict[str, list[FrozenTrial]] = {key: [] for key in self._trials}
        forgiven = defaultdict(bool, self._study.user_attrs)
        for attempt in self._study.get_trials(deepcopy=False):
            if attempt.user_attrs.get(KEY) in found and not forgiven[_forgiven(attempt.number)]:
                found[attempt.user_attrs[KEY]].append(attempt)
        return found

    def _mend(self) -> None:
        """Fail what silent workers left behind, and add what is missing for whatever reason."""
        from optuna.exceptions import ExperimentalWarning
        from optuna.storages import fail_stale_trials

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            fail_stale_trials(self._study)
        for key, attempts in self._by_key().items():
            if _became(attempts) == "missing":
                self._add(key)

    def _add(self, key: str, first: bool = False) -> None:
        from optuna.distributions import CategoricalDistribution
        from optuna.trial import TrialState, create_trial

        factors = self._trials[key].to_json()
        names = {name: sorted({trial.to_json()[name] for trial in self._trials.values()}) for name in factors}
        added = create_trial(
            state=TrialState.WAITING, params=factors, user_attrs={KEY: key},
            distributions={name: CategoricalDistribution(choices) for name, choices in names.items()},
        )  # fmt: skip
        self._study.add_trial(added)

    def _is_duplicate(self, mine: FrozenTrial) -> bool:
        """Two that came at the same time may have added the same trial: the earlier one counts."""
        from optuna.trial import TrialState

        given_up = (TrialState.FAIL, TrialState.PRUNED)
        attempts = self._by_key().get(mine.user_attrs.get(KEY, ""))
        return attempts is None or any(a.number < mine.number and a.state not in given_up for a in attempts)

    def _end(self, number: int, name: str, value: Any, state: Any, values: list[float] | None) -> bool:
        from optuna.exceptions import UpdateFinishedTrialError

        identity = self._identity(number)
        try:
            self._storage.set_trial_user_attr(identity, name, value)
            return self._storage.set_trial_state_values(identity, state, values)
        except UpdateFinishedTrialError:
            return False


def _is_done(attempt: FrozenTrial) -> bool:
    return attempt.state.name == "COMPLETE"


def _became(attempts: list[FrozenTrial]) -> str:
    """done, failed, running, waiting or missing."""
    states = [attempt.state.name for attempt in attempts]
    for state, became in (("COMPLETE", "done"), ("RUNNING", "running"), ("WAITING", "waiting")):
        if state in states:
            return became
    given_up = any(ERROR in attempt.user_attrs for attempt in attempts) or states.count("FAIL") >= MOST_ATTEMPTS
    return "failed" if given_up else "missing"


def _forgiven(number: int) -> str:
    return f"forgiven {number}"
