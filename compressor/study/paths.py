"""What a recipe names: models and data, relative to the recipe's own folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from compressor.errors import UsageError
from compressor.models.demo import demo_model_path, load_digits

DEMO = "demo"
_PART_BYTES = 1 << 22
_LONGEST_NAME = 200  # in a message


def model_path(named: str, folder: Path) -> str:
    """Of a model's file; "demo" is the embedded digits network with its batch norms."""
    return str(demo_model_path(batchnorm=True)) if named == DEMO else str(_placed(named, folder))


def training_source(named: str, folder: Path) -> Any:
    """What ``Finetuning`` takes as data."""
    if named == DEMO:
        return {"train": load_digits("train"), "validation": load_digits("validation")}
    return source_path(named, folder)


def test_source(named: str, folder: Path) -> Any:
    """What a finished trial is measured on."""
    return load_digits("test") if named == DEMO else source_path(named, folder)


def source_path(named: str, folder: Path) -> str:
    """A file, a folder, ``path.py:function`` or ``package.module:function``."""
    file, colon, function = named.rpartition(":")
    if not colon:
        return str(_placed(named, folder))
    return f"{_placed(file, folder)}:{function}" if _is_file(file) else named


def source_digest(named: str, folder: Path) -> str:
    """SHA-256 of the file that is named; empty for the demo's data, folders and modules, which are not read."""
    head, colon, _ = named.rpartition(":")
    if named == DEMO or (colon and not _is_file(head)):
        return ""
    path = _placed(head if colon else named, folder)
    return "" if is_folder(path) else file_digest(path)


def file_digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        UsageError: there is no such file, or it cannot be read.
    """
    digest = hashlib.sha256()
    try:
        if not path.is_file():
            raise UsageError("no such file", where=str(path), fix="Paths in a recipe are relative to its folder.")
        with path.open("rb") as file:
            while part := file.read(_PART_BYTES):
                digest.update(part)
    except OSError as error:  # a name too long, no permission
        raise _unreadable(path, error) from error
    return digest.hexdigest()


def is_folder(path: Path) -> bool:
    """Whether a path is a folder.

    Raises:
        UsageError: nothing can be called so, or it cannot be looked at.
    """
    try:
        return path.is_dir()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot be read: {error.strerror}", where=_shortened(str(path)), fix="Check the path.")


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}..."


def _is_file(named: str) -> bool:
    return named.endswith(".py") or "/" in named


def _placed(named: str, folder: Path) -> Path:
    path = Path(named).expanduser()
    return path if path.is_absolute() else folder / path
