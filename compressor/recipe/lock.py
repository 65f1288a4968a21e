"""recipe.lock: everything that a run depended on and what came out, to replay it or be told what differs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from compressor.errors import CompressorError, UsageError
from compressor.recipe.code_version import code_version, library_versions
from compressor.recipe.common import RecipeFile
from compressor.recipe.planning import Planned, hardware
from compressor.recipe.runner import Run
from compressor.recipe.store import Entry

LOCK = "recipe.lock"
_VERSION = 1
_MOST_BYTES = 64 << 20
_SHOWN = 6


class LockError(CompressorError):
    """A run differs from the one that its lock file is of."""


def lock_of(run: Run) -> dict[str, Any]:
    """What a lock file holds."""
    stages = {}
    for planned in run.stages():
        entry = run.entries[planned.name]
        stages[planned.name] = {
            "parameters": planned.parameters, "sources": planned.sources, "repeatable": planned.repeatable,
            "files": entry.files,
        }  # fmt: skip
    return {
        "kind": "recipe lock", "version": _VERSION, "seed": run.recipe.seed, "model": run.inputs, "stages": stages,
        "compressor": code_version(), "libraries": library_versions(), "hardware": hardware(),
    }  # fmt: skip


def read_lock(recipe: RecipeFile, out: Path) -> tuple[Path, dict[str, Any]]:
    """The lock file beside the recipe or, failing that, the one in the output folder.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    places = (recipe.folder / LOCK, out / LOCK)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        fix = "Run without --locked once; it writes one into the output folder."
        raise UsageError(f"there is no {LOCK}, neither here nor in {out}", where=str(recipe.folder), fix=fix)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError("is too large for a lock file", where=str(path))
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path), fix="Run without --locked.") from error
    keys = {"version": int, "seed": int, "model": dict, "stages": dict, "compressor": str, "libraries": dict}
    if not isinstance(found, dict) or any(not isinstance(found.get(key), kind) for key, kind in keys.items()):
        raise UsageError("is no lock file", where=str(path), fix="Run without --locked.")
    stages = found["stages"].values()
    if found["version"] != _VERSION or not all(isinstance(stage, dict) for stage in stages):
        raise UsageError("is no lock file of this version", where=str(path), fix="Run without --locked.")
    return path, found


class Locked:
    """Watches a run: before any work everything must be as locked, and after each stage its files."""

    def __init__(self, path: Path, lock: Mapping[str, Any]) -> None:
        self._path, self._lock = path, lock

    def planned(self, stages: Sequence[Planned], digests: Mapping[str, str], seed: int) -> None:
        """Refuse a run that would not be the locked one.

        Raises:
            LockError: tells what differs.
        """
        lock, locked = self._lock, self._lock["stages"]
        found = [f"stage {name} is {word}" for name, word in _other_names(locked, [one.name for one in stages])]
        found += ["the seed"] if lock["seed"] != seed else []
        found += ["the model"] if lock["model"] != dict(digests) else []
        for one in stages:
            old = locked.get(one.name, {})
            found += [f"{one.name}: {what}" for what in _changes(old.get("parameters"), one.parameters)]
            found += [f"{one.name}: the content of {name}" for name in _changes(old.get("sources"), one.sources)]
        found += ["compressor itself"] if lock["compressor"] != code_version() else []
        now: dict[str, Any] = library_versions()
        found += [
            f"{name} {now.get(name)} (was {lock['libraries'].get(name)})" for name in _changes(lock["libraries"], now)
        ]
        found += [f"hardware: {name}" for name in _changes(lock.get("hardware"), hardware())]
        self._refuse(found)

    def finished(self, planned: Planned, entry: Entry) -> None:
        """Refuse results that are not the locked ones; measurements are never the same.

        Raises:
            LockError: tells which files.
        """
        if not planned.repeatable:
            return
        files = self._lock["stages"].get(planned.name, {}).get("files")
        self._refuse([f"{planned.name} gives another {name}" for name in _changes(files, entry.files)])

    def _refuse(self, found: list[str]) -> None:
        if not found:
            return
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        fix = "Make it the same again, or run without --locked."
        raise LockError(f"this run differs: {'; '.join(found[:_SHOWN])}{more}", where=str(self._path), fix=fix)


def _other_names(locked: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, str]]:
    return [(name, "new") for name in names if name not in locked] + [
        (name, "missing") for name in locked if name not in names
    ]


def _changes(was: Any, now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Names whose values differ, down to the innermost: "settings.epochs"."""
    if not isinstance(was, dict):
        was = {}
    found = []
    for name in sorted(was.keys() | now.keys()):
        before, after = was.get(name), now.get(name)
        if isinstance(before, dict) and isinstance(after, dict):
            found += _changes(before, after, f"{prefix}{name}.")
        elif before != after:
            found.append(f"{prefix}{name}")
    return found
