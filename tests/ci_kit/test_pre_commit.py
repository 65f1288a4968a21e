"""The hook for model files, as pre-commit would call it: its entry, its arguments, then names of files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.ci_kit.example import EXAMPLE
from tests.ci_kit.machine import Machine
from tests.ci_kit.yaml12 import load
from tests.compressor.cli_models import external, saved
from tests.house.source_tree import PYPROJECT, ROOT

(HOOK,) = load(ROOT / ".pre-commit-hooks.yaml")
CONFIG: dict[str, Any] = load(EXAMPLE / ".pre-commit-config.yaml")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for name in ("workspace", "scratch"):
        (tmp_path / name).mkdir()
    return Machine(tmp_path / "workspace", tmp_path / "scratch")


def hooked(machine: Machine, *files: Path | str, args: tuple[str, ...] = ()) -> tuple[int, str]:
    """(exit code, what it says): pre-commit fails on any code but 0."""
    return machine.run([*shlex.split(HOOK["entry"]), *args, *files], machine.environment())


def test_the_hook_is_one_of_this_package() -> None:
    assert set(HOOK) == {"id", "name", "description", "entry", "language", "files"}
    assert HOOK["language"] == "python"  # pre-commit installs this repository
    assert shlex.split(HOOK["entry"])[0] in PYPROJECT["project"]["scripts"]


@pytest.mark.parametrize(
    ("name", "taken"),
    [("a.onnx", True), ("models/b c.onnx", True), ("a.onnx.data", False), ("a.onnx.md", False), ("onnx", False)],
)
def test_files_it_is_for(name: str, taken: bool) -> None:
    assert (re.search(HOOK["files"], name) is not None) == taken


def test_sound_models_pass(machine: Machine) -> None:
    saved(machine.workspace / "a b.onnx")
    (machine.workspace / "big").mkdir()
    external(machine.workspace / "big")
    code, said = hooked(machine, "a b.onnx", "big/m.onnx")
    assert code == 0, said
    assert said.startswith("a b.onnx: sound; opset 17, 3 nodes, ")
    assert "\nbig/m.onnx: sound; " in said


def test_one_bad_model_fails_all(machine: Machine) -> None:
    saved(machine.workspace / "a.onnx")
    (machine.workspace / "lfs.onnx").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    code, said = hooked(machine, "a.onnx", "lfs.onnx")
    assert code == 2
    assert "a.onnx: sound" in said
    assert "lfs.onnx: not an ONNX file: it is a Git LFS pointer" in said


def test_the_example_uses_it(machine: Machine) -> None:
    (repo,) = CONFIG["repos"]
    (hook,) = repo["hooks"]
    assert hook["id"] == HOOK["id"]
    saved(machine.workspace / "a.onnx")
    assert hooked(machine, "a.onnx", args=tuple(hook["args"]))[0] == 0
    code, said = hooked(machine, "a.onnx", args=("--max-size=1kB",))
    assert (code, "is more than the 1 kB allowed" in said) == (1, True)
