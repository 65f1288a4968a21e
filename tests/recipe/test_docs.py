"""docs/recipe.md says what is so: stages, options, the example, the Python code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from compressor.recipe.planning import plan_run
from compressor.recipe.schema import read_recipe
from compressor.recipe.stage import STAGES, stages_in_order
from tests.compressor.cli_models import Cli
from tests.house.source_tree import ROOT
from tests.recipe.small import placed

PAGE = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "docs" / "recipes" / "digits.yaml"


def test_every_stage_is_in_the_table_in_its_order() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert listed == [name for name, _ in stages_in_order()]


def test_every_pass_and_published_file_is_named() -> None:
    named = {f"`{name}`" for _, kind in STAGES.items() for name in (*kind.passes, *kind.publishes)}
    assert {name for name in named if name not in PAGE} == set()


def test_the_options_that_it_shows_exist(cli: Cli) -> None:
    helps = {name: cli.ok(name, "--help") for name in ("run", "init")}
    commands = re.findall(r"compressor (run|init) ([^#\n`)]*)", PAGE)
    assert len(commands) >= 6
    for command, rest in commands:
        for option in re.findall(r"--[a-z-]+", rest):
            assert option in helps[command], (command, option)


def test_the_example_is_a_recipe() -> None:
    stages, _ = plan_run(read_recipe(EXAMPLE))
    assert [one.name for one in stages] == [name for name, _ in stages_in_order() if name in EXAMPLE_STAGES]


EXAMPLE_STAGES = {"clean", "analyse", "prune", "recover", "finetune", "fold", "verify", "bench", "gate"}


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    placed(tmp_path)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/recipe.md", "exec"), {})
    assert "model.onnx" in capsys.readouterr().out
    assert (tmp_path / "out" / "model.onnx").is_file()
