"""The two sides of a gate: the candidate is a file, the baseline a file or the stored result of an earlier run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from compressor.backends.base import BACKENDS, Session, get_backend, require_usable
from compressor.backends.inputs import index_bounds, random_feeds
from compressor.errors import BackendError, CandidateError, MachineError, UsageError
from compressor.gate.facts import Facts, facts_of
from compressor.made_up_inputs import made_up_feeds
from compressor.model_io import outline, read

Feeds = dict[str, Any]


@dataclass
class Candidate:
    """A model file.

    Attributes:
        path: of the file.
    """

    path: Path

    @cached_property
    def facts(self) -> Facts:
        """Read once, when first needed."""
        return facts_of(self.path)

    @property
    def name(self) -> str:
        """How reports call it."""
        return str(self.path)

    def kept(self, check: str) -> list[dict[str, Any]]:
        """What an earlier gate kept for a check: nothing, for this is a file."""
        return []

    def file(self, check: str) -> Path:
        """The model's file."""
        return self.path


@dataclass
class StoredBaseline:
    """What an earlier gate or benchmark found out about the model that is the baseline now.

    Attributes:
        path: of the result.
        stored_facts: of the model, None where the result has none.
        measurements: by check, what ``Finding.keep`` was.
    """

    path: Path
    stored_facts: Facts | None
    measurements: Mapping[str, list[dict[str, Any]]]

    @property
    def facts(self) -> Facts:
        """As they were then.

        Raises:
            UsageError: the result does not have them.
        """
        if self.stored_facts is None:
            raise UsageError(
                "this result knows times only, nothing about the model", where=self.name,
                fix="Give the baseline's file, or a result that `compressor gate --output` wrote.",
            )  # fmt: skip
        return self.stored_facts

    @property
    def name(self) -> str:
        """How reports call it."""
        return str(self.path)

    def kept(self, check: str) -> list[dict[str, Any]]:
        """What an earlier gate kept for a check.

        Raises:
            UsageError: nothing.
        """
        found = list(self.measurements.get(check, []))
        if not found:
            fix = "Give the baseline's file, or a result of a gate that had this check."
            raise UsageError(f"this result has nothing to compare {check} with", where=self.name, fix=fix)
        return found

    def file(self, check: str) -> Path:
        """There is none.

        Raises:
            UsageError: always.
        """
        fix = "Give the baseline's file instead of a stored result."
        raise UsageError(f"{check} runs the baseline itself", where=self.name, fix=fix)


@dataclass
class Pair:
    """What is compared.

    Attributes:
        baseline, candidate: the two sides.
        folder: what relative paths in the policy are relative to.
        seed: of everything random.
    """

    baseline: Candidate | StoredBaseline
    candidate: Candidate
    folder: Path = field(default_factory=Path)
    seed: int = 0

    def place(self, named: str) -> str:
        """A path of the policy, or ``path.py:function``, from its folder; ``package.module:function`` is left alone."""
        file, colon, function = named.rpartition(":")
        if not colon:
            return str(self.folder / named)
        is_file = file.endswith(".py") or "/" in file or os.sep in file
        return f"{self.folder / file}:{function}" if is_file else named

    @property
    def models(self) -> list[tuple[str, Path]]:
        """(role, file) of what can be run: the candidate, and before it the baseline where that is a file."""
        before = [("baseline", self.baseline.path)] if isinstance(self.baseline, Candidate) else []
        return [*before, ("candidate", self.candidate.path)]


def opened(role: str, path: Path, backend: str, threads: int) -> Session:
    """A session of a model.

    Raises:
        MachineError: the runtime is missing here, or cannot do here what is asked, whatever the model.
        BackendError: it refuses the baseline.
        CandidateError: it refuses the candidate.
    """
    runtime = get_backend(backend)
    require_usable(runtime)
    try:
        return runtime.open(path, threads=threads)
    except MachineError:
        raise
    except BackendError as error:
        if role == "candidate":
            raise CandidateError(f"{backend} refuses the candidate: {error.what}", where=error.where) from error
        raise


def checked_feeds(
    pair: Pair, backend: str, threads: int, *, batch: int, dims: Mapping[str, int], pictures: bool = False,
    baseline: bool = True,
) -> Feeds:  # fmt: skip
    """Made-up inputs that both models take, after both have run on them once.

    Args:
        pair: the models.
        backend, threads: where.
        batch, dims: sizes of symbolic dimensions.
        pictures: with the spectrum of real pictures where inputs look like some.
        baseline: False leaves the baseline out.

    Raises:
        CandidateError: the candidate does not open, takes other inputs, or does not run.
        BackendError: the runtime is missing, or the baseline does not run.
        UsageError: sizes that the first model does not have.
    """
    feeds: Feeds | None = None
    for role, path in pair.models[None if baseline else -1 :]:
        with opened(role, path, backend, threads) as session:
            if feeds is None:
                bounds = index_bounds(outline(read(path)))
                feeds = (
                    made_up_feeds(session.inputs, samples=batch, seed=pair.seed, bounds=bounds)
                    if pictures and not dims
                    else random_feeds(session.inputs, batch=batch, dims=dims, seed=pair.seed, bounds=bounds)
                )
            run_once(role, session, feeds or {}, backend)
    return feeds or {}


def run_once(role: str, session: Session, feeds: Feeds, backend: str) -> Feeds:
    """Outputs by name.

    Raises:
        CandidateError: the candidate does not take these inputs, or fails on them.
        BackendError: the baseline does, or (a MachineError) it is this machine that fails.
    """
    try:
        return session.run(feeds)
    except MachineError:
        raise
    except BackendError as error:
        if role == "candidate":
            what = f"the candidate does not run on {backend}: {error.what}"
            raise CandidateError(what, where=error.where, fix=error.fix) from error
        raise


def known_backends(names: list[str]) -> list[str]:
    """``names``, if they are all names of backends.

    Raises:
        RegistryError: one is not; names the nearest.
        UsageError: it ends in something that is no number of a device.
    """
    for name in names:
        BACKENDS.get(name.partition(":")[0])
        get_backend(name)
    return names
