"""A checkout runs from its root with nothing installed, and is never mixed with another one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source_tree import PACKAGE_FOLDERS, ROOT

PROBE = """
import importlib, json, sys
import compressor
from compressor._checkout import CheckoutFinder, install
install()
files = {name: importlib.import_module(name).__file__ for name in json.loads(sys.argv[1])}
print(json.dumps([sys.meta_path.count(CheckoutFinder), files]))
"""


@pytest.fixture
def other_checkout(tmp_path: Path) -> Path:
    """A second checkout: its ``passes`` must win over those of an editable install of this one."""
    for folder in PACKAGE_FOLDERS.values():
        shutil.copytree(folder, tmp_path / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def probe(folder: Path, modules: list[str]) -> tuple[int, dict[str, Path]]:
    """(how often the finder is active, file of each module), asked of a fresh process run in ``folder``."""
    command = [sys.executable, "-c", PROBE, json.dumps(modules)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    count, files = json.loads(done.stdout)
    return count, {name: Path(file) for name, file in files.items()}


def test_every_package_comes_from_the_folder_one_stands_in(other_checkout: Path) -> None:
    names = [*PACKAGE_FOLDERS, "compressor.passes.ops", "compressor.passes.labels"]
    count, files = probe(other_checkout, names)
    assert count == 1
    expected = {name: other_checkout / folder.name / "__init__.py" for name, folder in PACKAGE_FOLDERS.items()}
    expected["compressor.passes.ops"] = other_checkout / "passes" / "ops" / "__init__.py"
    expected["compressor.passes.labels"] = other_checkout / "passes" / "labels.py"
    assert files == expected


def test_an_installed_copy_needs_no_finder(other_checkout: Path) -> None:
    (other_checkout / "pyproject.toml").unlink()
    for name in ("passes", "backends", "models"):
        (other_checkout / name).rename(other_checkout / "compressor" / name)
    count, files = probe(other_checkout, ["compressor.passes"])
    assert count == 0
    assert files == {"compressor.passes": other_checkout / "compressor" / "passes" / "__init__.py"}
