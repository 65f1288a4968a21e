"""The code's version: the same in a checkout and installed, another when any file changes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from compressor.recipe.code_version import code_version, library_versions
from tests.compressor.cli_models import environment
from tests.house.source_tree import PACKAGE_FOLDERS

PROGRAM = "from compressor.recipe.code_version import code_version; print(code_version())"


def installed(folder: Path) -> Path:
    """The packages as pip lays them out."""
    for name, path in PACKAGE_FOLDERS.items():
        shutil.copytree(path, folder / Path(*name.split(".")), ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def version_in(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment(PYTHONPATH=str(folder)), cwd=folder, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_it_is_the_same_wherever_the_code_lies(tmp_path: Path) -> None:
    folder = installed(tmp_path)
    assert version_in(folder) == code_version()
    (folder / "compressor" / "passes" / "spaces.py").open("a", encoding="utf-8").write("# another\n")
    assert version_in(folder) != code_version()


def test_libraries_that_compute_are_named() -> None:
    assert {"python", "numpy", "onnx", "onnxruntime"} <= library_versions().keys()
