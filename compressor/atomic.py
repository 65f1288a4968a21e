"""Files that appear whole or not at all: written beside their targets, then renamed over them together."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from compressor.errors import ModelFileError

_FIXES = {
    errno.ENOSPC: "Free some space on the disk, or write somewhere else.",
    errno.EDQUOT: "Free some of your disk quota, or write somewhere else.",
    errno.EACCES: "Write to a folder you may write to.",
    errno.EPERM: "Write to a folder you may write to.",
    errno.EROFS: "Write to a folder that is not read-only.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
    errno.ENOENT: "Create the folder first.",
    errno.ENOTDIR: "Choose a path whose folders are folders.",
    errno.EISDIR: "Choose the name of a file, not of a folder.",
}


class FileSet:
    """Context manager for files that belong together.

    Each is opened under a temporary name in its target's folder. `commit` puts all in place; leaving the
    block without it, by an exception of any kind, removes them. A target that is a link stays one.
    OSErrors inside the block become ModelFileErrors about `where`.
    """

    def __init__(self, where: Path) -> None:
        self._where = where
        self._temporary: dict[Path, Path] = {}  # target -> temporary file
        self._set_aside: dict[Path, Path] = {}  # target -> where its old file is while commit runs

    def __enter__(self) -> FileSet:
        return self

    def create(self, target: Path) -> BinaryIO:
        """Open a temporary file, for writing, that is to become `target`."""
        target = Path(os.path.realpath(target))
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        temporary = self._beside(target)
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666
        self._temporary[target] = temporary
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), mode)
        return os.fdopen(descriptor, "wb")

    def about(self, where: Path) -> None:
        """What goes wrong from now on is about `where`."""
        self._where = where

    def temporary(self, target: Path) -> Path:
        """Where the file that is to become `target` is now."""
        return self._temporary[Path(os.path.realpath(target))]

    def sync(self, file: BinaryIO) -> None:
        """Return when everything written to `file` is on the disk."""
        file.flush()
        os.fsync(file.fileno())

    def commit(self) -> None:
        """Put every file in place, in the order they were created; on failure all old files are back."""
        done = False
        try:
            for target, temporary in self._temporary.items():
                if len(self._temporary) > 1 and target.exists():
                    self._set_aside[target] = self._beside(target)
                    target.replace(self._set_aside[target])
                temporary.replace(target)
            done = True
        finally:
            if not done:
                self._take_back()
        self._temporary.clear()

    def _take_back(self) -> None:
        """Undo a commit that stopped half way; the disk tells how far it came. One file alone is never half way."""
        if len(self._temporary) == 1:
            return
        for target, temporary in self._temporary.items():
            old = self._set_aside.get(target)
            if old is not None and old.exists():
                old.replace(target)
            elif old is None and not temporary.exists():
                target.unlink(missing_ok=True)
        self._set_aside.clear()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for leftover in (*self._temporary.values(), *self._set_aside.values()):
            with contextlib.suppress(OSError):
                leftover.unlink()
        if isinstance(error, OSError):
            fix = _FIXES.get(error.errno or 0, "Check the disk, or write somewhere else.")
            reason = error.strerror or str(error)
            raise ModelFileError(f"cannot be written: {reason}", where=str(self._where), fix=fix) from error

    @staticmethod
    def _beside(target: Path) -> Path:
        return target.with_name(f".{target.name[:64]}.{secrets.token_hex(6)}.tmp")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file or none of it.

    Raises:
        ModelFileError: the disk is full, the folder is missing or read-only, and the like.
    """
    with FileSet(path) as files:
        with files.create(path) as file:
            file.write(data)
            files.sync(file)
        files.commit()
