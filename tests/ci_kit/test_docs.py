"""docs/ci.md says what the files say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from compressor.gate.finding import EXIT_CODES
from tests.ci_kit.example import ACTIONS, EXAMPLE
from tests.ci_kit.github import Runner
from tests.ci_kit.machine import Machine
from tests.ci_kit.yaml12 import load
from tests.gate.small import saved_chain
from tests.house.source_tree import ROOT

PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
WORKFLOW, HOOKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
ACTION: dict[str, Any] = load(ROOT / "action.yml")


def test_every_input_and_output_is_there() -> None:
    inputs, outputs = re.split(r"^Outputs: ", PAGE, flags=re.MULTILINE)
    table = dict(re.findall(r"^\| `([\w-]+)` \|.*\| (?:`([^`]*)`)? ?\|$", inputs, re.MULTILINE))
    assert table == {name: entry.get("default", "") for name, entry in ACTION["inputs"].items()}
    assert set(ACTION["outputs"]) <= set(re.findall(r"`([\w-]+)`", outputs.split("\n\n")[0]))


def test_the_workflow_is_the_one_of_the_example() -> None:
    (ours,) = yaml.safe_load(WORKFLOW)["jobs"].values()
    (theirs,) = load(EXAMPLE / ".github" / "workflows" / "gate.yml")["jobs"].values()
    assert {step["uses"] for step in ours["steps"]} == {step["uses"] for step in theirs["steps"] if "uses" in step}


def test_the_workflow_runs(tmp_path: Path) -> None:
    (tmp_path / "workspace" / "models").mkdir(parents=True)
    (tmp_path / "scratch").mkdir()
    for name in ("released", "candidate"):
        saved_chain(tmp_path / "workspace" / "models" / f"{name}.onnx")
    (tmp_path / "workspace" / "gate.yaml").write_text("size: {max_ratio: 1.0}\n")
    (tmp_path / "workflow.yml").write_text(f"on: [push]\n{WORKFLOW}")
    machine = Machine(tmp_path / "workspace", tmp_path / "scratch")
    (job,) = Runner(machine, ACTIONS).workflow(tmp_path / "workflow.yml", "push")
    assert job.conclusion == "success"
    assert job.step("gate").outputs["status"] == "pass"


def test_the_hooks_are_those_of_the_example() -> None:
    assert yaml.safe_load(HOOKS) == load(EXAMPLE / ".pre-commit-config.yaml")


def test_exit_codes_are_those_of_the_gate() -> None:
    codes = [int(code) for code in re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE)]
    assert codes == sorted({*EXIT_CODES.values(), 2})
