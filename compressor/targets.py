"""Paths that results are written to: never the input, never each other, always writable in principle."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from compressor.errors import ModelFileError, UsageError
from compressor.model_io import data_path, same_file

PathLike: TypeAlias = "str | os.PathLike[str]"


def check_paths(model: PathLike, output: PathLike, plan_path: PathLike | None) -> None:
    """Refuse targets that cannot be written, or that are the model or each other.

    Raises:
        UsageError, ModelFileError: which path, and why.
    """
    for path, what in ((output, "output"), (plan_path, "plan")):
        if path is None:
            continue
        try:
            _check_target(model, Path(path), what)
        except OSError as error:  # a name too long, a folder that may not be looked into
            raise ModelFileError(
                f"cannot be written: {error.strerror}", where=str(path), fix="Choose another path."
            ) from error
    if plan_path is not None and same_file(output, plan_path):
        raise UsageError("the plan path is the output path", where=str(output), fix="Choose another path.")


def _check_target(model: PathLike, path: Path, what: str) -> None:
    if same_file(model, path):
        raise UsageError(f"the {what} path is the input file", where=str(path), fix="Choose another path.")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise UsageError(f"the {what} folder does not exist", where=str(folder), fix="Create it first.")
    if path.is_dir():
        raise UsageError(f"the {what} path is a folder", where=str(path), fix="Name a file in it.")
    if path.exists() and not path.is_file():  # a rename over /dev/null would destroy it
        raise UsageError(f"the {what} path is no regular file", where=str(path), fix="Name a file to be written.")


def spare(inputs: Iterable[Path], output: PathLike, plan_path: PathLike | None) -> None:
    """Refuse to write over a file that was read: one with the model's weights, or a plan that is replayed."""
    beside = data_path(Path(output))
    written = {
        "output": Path(output),
        "output's weights": beside,
        "plan": None if plan_path is None else Path(plan_path),
    }
    for what, path in written.items():
        if path is not None and any(same_file(path, source) for source in inputs):
            raise UsageError(
                f"the {what} would replace a file of the input", where=str(path), fix="Choose another name."
            )
    if plan_path is not None and same_file(plan_path, beside):
        raise UsageError(
            "the plan path is where the output's weights may go", where=str(beside), fix="Choose another name."
        )
