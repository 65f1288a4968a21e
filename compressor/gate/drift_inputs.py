"""Inputs of the drift check: from an .npz file, in one run or in parts of the size that a model takes."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from compressor.backends.base import Session
from compressor.errors import BackendError, CandidateError, EnvironmentProblem, UsageError
from compressor.gate.pair import Feeds, run_once

_PART = 64


def read_inputs(path: str) -> Feeds:
    """Arrays by input name.

    Raises:
        UsageError: no such file, or no .npz of plain arrays.
        EnvironmentProblem: the system does not let us read it.
    """
    try:
        if not Path(path).is_file():
            raise UsageError("no such file", where=path, fix="Paths in a policy are relative to its folder.")
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise UsageError("is no .npz file", where=path, fix="Write it with numpy.savez(path, input=array).")
        with archive:
            found = {name: archive[name] for name in archive.files}
    except (zipfile.BadZipFile, ValueError, EOFError, KeyError, NotImplementedError, MemoryError) as error:
        raise UsageError(f"is no .npz file of plain arrays: {error}", where=path) from error
    except OSError as error:
        raise EnvironmentProblem(f"cannot be read: {error.strerror or error}", where=path) from error
    if not found or any(value.size == 0 for value in found.values()):
        raise UsageError("has no samples", where=path, fix="Give an array for every input of the model.")
    return found


def run_in_parts(role: str, session: Session, feeds: Feeds, backend: str, *, whole: bool) -> Feeds:
    """Outputs by name, parts joined along the first axis.

    Args:
        role: "baseline" or "candidate".
        session: the open model.
        feeds: inputs by name.
        backend: its name, for messages.
        whole: run all at once.

    Raises:
        UsageError: the inputs given do not fit the baseline.
        CandidateError: the candidate takes other inputs, or fails.
        BackendError: the baseline does.
    """
    step = None if whole else _part_size(session, feeds)
    if not whole and role == "baseline":
        _check_fit(session, {name: value[:step] if step else value for name, value in feeds.items()})
    if step is None:
        return run_once(role, session, feeds, backend)
    parts: list[Feeds] = []
    for start in range(0, len(next(iter(feeds.values()))), step):
        some = {name: value[start : start + step] for name, value in feeds.items()}
        parts.append(run_once(role, session, some, backend))
    if any(np.ndim(value) == 0 for value in parts[0].values()) and len(parts) > 1:
        raise CandidateError("an output without a sample axis cannot be joined from parts", where=role)
    return {
        name: np.concatenate([part[name] for part in parts]) if len(parts) > 1 else parts[0][name] for name in parts[0]
    }


def _check_fit(session: Session, feeds: Feeds) -> None:
    try:
        session.check_feeds(feeds)
    except BackendError as error:
        where = f"input {error.where!r}" if error.where else None
        raise UsageError(f"the inputs given do not fit the baseline: {error.what}", where=where) from error


def _part_size(session: Session, feeds: Feeds) -> int | None:
    """Samples in one run; None where the arrays fit as they are, or no size would make them fit."""
    specs = {spec.name: spec for spec in session.inputs}
    if set(specs) != set(feeds) or any(value.ndim == 0 for value in feeds.values()):
        return None
    lengths: set[Any] = {value.shape[0] for value in feeds.values()}
    firsts = {specs[name].shape[0] if specs[name].shape else None for name in feeds}
    if len(lengths) > 1:
        return None
    (length,) = lengths
    fixed = {size for size in firsts if isinstance(size, int)}
    if not fixed:
        return _PART if length > _PART else None
    (size,) = fixed if len(fixed) == 1 else (0,)
    return int(size) if size and length != size and length % size == 0 else None
