"""Digests of what a recipe names: models, data, functions. Contents count, not names or times."""

from __future__ import annotations

import hashlib
import importlib.machinery
import sys
from collections.abc import Iterable
from pathlib import Path

from compressor.errors import UsageError
from compressor.model_io import data_files, read
from compressor.models.demo import demo_folder
from compressor.recipe.common import RecipeFile
from compressor.study.paths import DEMO, file_digest, is_folder


def source_digest(named: str, recipe: RecipeFile) -> str:
    """SHA-256 of what a name in a recipe stands for.

    A file, or all files of a folder. Of a function: all Python files in the folder of its own, or in its package, as it
    may import them; what else it reads is for the recipe's ``inputs``.

    Raises:
        UsageError: there is no such file, folder or module.
    """
    if named == DEMO:
        return _digest_of_all(sorted(demo_folder().iterdir()), demo_folder())
    head, colon, _ = named.rpartition(":")
    if colon and not (head.endswith(".py") or "/" in head):
        return _module_digest(head, recipe)
    path = Path(recipe.placed(named).rpartition(":")[0] if colon else recipe.placed(named))
    if colon:
        file_digest(path)  # it exists
        return _digest_of_all(sorted(path.parent.glob("*.py")), path.parent)
    if is_folder(path):
        return _digest_of_all(sorted(one for one in path.rglob("*") if one.is_file()), path)
    return file_digest(path)


def model_digest(path: Path) -> str:
    """SHA-256 of a model's file, and of those that its weights are in.

    Raises:
        ModelFileError: it is no model that can be read.
    """
    return files_digest([path, *data_files(read(path))])


def files_digest(paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents of files, in the order given; of one file alone its own."""
    listed = list(paths)
    if len(listed) == 1:
        return file_digest(listed[0])
    return hashlib.sha256("\n".join(f"{path.name} {file_digest(path)}" for path in listed).encode()).hexdigest()


def _digest_of_all(paths: Iterable[Path], folder: Path) -> str:
    lines = (f"{path.relative_to(folder).as_posix()}\0{file_digest(path)}\n" for path in paths)
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _module_digest(name: str, recipe: RecipeFile) -> str:
    """Of package.module, without importing it."""
    top = name.partition(".")[0]
    spec = importlib.machinery.PathFinder.find_spec(top, [str(Path.cwd()), *sys.path])
    if spec is None or spec.origin is None:
        fix = "Run it from the folder that holds it, or give path/to/file.py:function."
        raise UsageError(f"no module named {top!r}", where=str(recipe.path), fix=fix)
    if spec.submodule_search_locations is None:
        return file_digest(Path(spec.origin))
    folder = Path(spec.origin).parent
    return _digest_of_all(sorted(folder.rglob("*.py")), folder)
