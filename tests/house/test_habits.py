"""Habits of product code that no linter setting can waive: short files, no assert, no broad except, no pickle."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house.source_tree import PACKAGE_FOLDERS, ROOT, parse, product_files

MAX_LINES = 300
BROAD = {"Exception", "BaseException"}
# pickle and what unpickles under another name: loading such a file runs code.
PICKLES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def habit_breaks(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, what is wrong) for each broken habit."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield node.lineno, "assert vanishes under -O: raise an error of compressor.errors"
        elif isinstance(node, ast.ExceptHandler) and _is_broad(node):
            yield node.lineno, "except is too broad: name the errors that are expected here"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            if any(name.partition(".")[0] in PICKLES for name in names):
                yield node.lineno, "pickles run code when loaded: use JSON, NPZ or ONNX"
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle" and not _is_false(node.value):
            yield node.value.lineno, "pickles run code when loaded: allow_pickle must be False"


def _is_broad(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(ast.unparse(kind).rpartition(".")[2] in BROAD for kind in caught)


def _is_false(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and value.value is False


def test_habits_are_kept() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {what}"
        for path in product_files().values()
        for line, what in habit_breaks(parse(path))
    ]
    assert not found, "\n".join(found)


def test_files_are_short() -> None:
    paths = [*product_files().values(), *(ROOT / "tests").rglob("*.py")]
    lengths = {path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    too_long = {str(path): lines for path, lines in lengths.items() if lines > MAX_LINES}
    assert not too_long, f"one idea a file, at most {MAX_LINES} lines: {too_long}"


def test_the_product_is_what_is_checked() -> None:
    checked = set(product_files().values())
    assert set(PACKAGE_FOLDERS) == {"compressor", "compressor.backends", "compressor.models", "compressor.passes"}
    assert all(any(folder in path.parents for path in checked) for folder in PACKAGE_FOLDERS.values())


@pytest.mark.parametrize(
    "source",
    [
        "assert x",
        "try:\n    pass\nexcept:\n    pass",
        "try:\n    pass\nexcept Exception:\n    raise",
        "try:\n    pass\nexcept (ValueError, BaseException) as error:\n    pass",
        "try:\n    pass\nexcept builtins.Exception:\n    pass",
        "import pickle",
        "import os, joblib.memory",
        "from cloudpickle import dumps",
        "np.load(path, allow_pickle=True)",
        "np.load(path, allow_pickle=flag)",
    ],
)
def test_each_broken_habit_is_seen(source: str) -> None:
    assert len(list(habit_breaks(ast.parse(source)))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    pass\nexcept (ValueError, OSError):\n    raise",
        "from compressor.errors import GraphError",
        "np.load(path, allow_pickle=False)",
    ],
)
def test_good_habits_are_not_blamed(source: str) -> None:
    assert list(habit_breaks(ast.parse(source))) == []
