"""What a recipe names: models and data, relative to the recipe's own folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from compressor.errors import UsageError
from compressor.models.demo import demo_model_path, load_digits

DEMO = "demo"
_PART_BYTES = 1 << 22


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
    return "" if path.is_dir() else file_digest(path)


def file_digest(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        UsageError: there is no such file.
    """
    if not path.is_file():
        raise UsageError("no such file", where=str(path), fix="Paths in a recipe are relative to its folder.")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART_BYTES):
            digest.update(part)
    return digest.hexdigest()


def _is_file(named: str) -> bool:
    return named.endswith(".py") or "/" in named


def _placed(named: str, folder: Path) -> Path:
    path = Path(named).expanduser()
    return path if path.is_absolute() else folder / path
