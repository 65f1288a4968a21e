"""Finished stages on disk: a folder each, that appears whole or not at all and is checked when it is used again.

OUT/.stages/prune-3f2a.../          products and stage.json
OUT/.stages/prune-3f2a....work/     what an unfinished stage wants to find again: checkpoints
OUT/.stages/.new-...                being written; removed by the next run
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from compressor.errors import CompressorError, EnvironmentProblem, UsageError
from compressor.study.paths import file_digest

FOLDER = ".stages"
RECORD = "stage.json"
_VERSION = 1
_NEW = ".new-"
_KEY_CHARACTERS = 24
_KEPT = 3  # results of a stage that stay: of this run, and of older ones


@dataclass(frozen=True)
class Entry:
    """A finished stage.

    Attributes:
        stage, key: which, of what.
        folder: where its files are.
        files: name -> SHA-256.
        record, lines, exit_code, keep: its outcome.
        seconds, peak_bytes: what it took.
        passes: records of its passes.
    """

    stage: str
    key: str
    folder: Path
    files: dict[str, str]
    record: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    exit_code: int = 0
    keep: bool = True
    seconds: float = 0.0
    peak_bytes: int = 0
    passes: list[dict[str, Any]] = field(default_factory=list)

    def digest(self, name: str) -> str:
        """Of a product, with the file of its weights where it has one."""
        parts = {own: digest for own, digest in self.files.items() if own == name or own == f"{name}.data"}
        return parts[name] if len(parts) == 1 else json.dumps(parts, sort_keys=True)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values; where it lies does not count."""
        return {key: value for key, value in asdict(self).items() if key != "folder"}


class Store:
    """The finished stages of one output folder."""

    def __init__(self, out: Path) -> None:
        self.folder = out / FOLDER

    @contextmanager
    def opened(self) -> Iterator[None]:
        """For one run at a time: makes the folder, and removes what killed runs left half-written.

        Raises:
            EnvironmentProblem: another run is at work there, or the folder cannot be made.
            UsageError: it is no folder.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / ".lock", os.O_CREAT | os.O_RDWR, 0o666)
        except (FileExistsError, NotADirectoryError) as error:
            raise UsageError("is a file, not a folder", where=str(self.folder.parent), fix="Choose --out.") from error
        except OSError as error:
            where, fix = str(self.folder.parent), "Choose another folder with --out."
            raise EnvironmentProblem(f"cannot be written to: {error.strerror}", where=where, fix=fix) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system frees it, however the process ends
            for leftover in self.folder.glob(f"{_NEW}*"):
                shutil.rmtree(leftover, ignore_errors=True)
            yield
        except BlockingIOError as error:
            fix = "Wait for it, or choose another folder with --out."
            raise EnvironmentProblem("another run is at work here", where=str(self.folder.parent), fix=fix) from error
        finally:
            os.close(lock)

    def find(self, stage: str, key: str) -> Entry | None:
        """A stage that was finished before, unless anything of it is missing or damaged. Changes nothing."""
        folder = self._place(stage, key)
        try:
            found = json.loads((folder / RECORD).read_bytes())
            if found.pop("version") != _VERSION:
                return None
            entry = Entry(folder=folder, **found)
            whole = all(file_digest(folder / name) == digest for name, digest in entry.files.items())
        except (OSError, ValueError, TypeError, KeyError, AttributeError, CompressorError):
            return None
        return entry if whole and entry.keep and (entry.stage, entry.key) == (stage, key) else None

    def scratch(self, stage: str, key: str) -> Path:
        """A folder whose content is found again until the stage is finished; made by whoever uses it."""
        place = self._place(stage, key)
        return place.with_name(f"{place.name}.work")

    @contextmanager
    def writing(self, stage: str) -> Iterator[Path]:
        """A folder to write products into; gone afterwards, unless ``finish`` has put it in place."""
        folder = Path(tempfile.mkdtemp(prefix=f"{_NEW}{stage}-", dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def finish(self, written: Path, entry: Entry) -> Entry:
        """Put a folder that was written in place, with its record; every byte is on the disk before it is seen."""
        names = sorted(path.name for path in written.iterdir() if path.is_file())
        entry = replace(entry, files={name: file_digest(written / name) for name in names})
        # As it will be read: lists for tuples, null for what is no number.
        content = json.loads(json.dumps(entry.to_json()), parse_constant=lambda _: None)
        (written / RECORD).write_text(json.dumps({"version": _VERSION, **content}, indent=1), encoding="utf-8")
        for path in written.iterdir():
            _sync(path)
        _sync(written)
        place = self._place(entry.stage, entry.key)
        if place.exists():  # damaged, or not to be used again
            shutil.rmtree(place)
        written.replace(place)
        _sync(self.folder)
        shutil.rmtree(self.scratch(entry.stage, entry.key), ignore_errors=True)
        return Entry(folder=place, **content)

    def tidy(self, used: list[Entry]) -> None:
        """After a whole run: remove unfinished work, and all but the newest results of each stage."""
        kept = {entry.folder.name for entry in used}
        for entry in used:
            others = [path for path in self.folder.glob(f"{entry.stage}-*") if path.name not in kept and path.is_dir()]
            done = [path for path in others if path.suffix != ".work"]
            done.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
            for path in (*done[_KEPT - 1 :], *(path for path in others if path.suffix == ".work")):
                shutil.rmtree(path, ignore_errors=True)

    def _place(self, stage: str, key: str) -> Path:
        return self.folder / f"{stage}-{key[:_KEY_CHARACTERS]}"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
