"""``action.yml``: its form, and what it makes of every exit code that ``compressor gate`` has."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.ci_kit.expressions import expressions_in, names_in
from tests.ci_kit.github import STEP_KEYS, Runner
from tests.ci_kit.github_results import Step
from tests.ci_kit.machine import Machine
from tests.ci_kit.yaml12 import load
from tests.house.source_tree import PYPROJECT, ROOT

ACTION: dict[str, Any] = load(ROOT / "action.yml")
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
GIVEN = {"baseline": "a.onnx", "candidate": "b.onnx", "policy": "gate.yaml"}
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
# "Metadata syntax reference", branding
_COLOURS = {"white", "yellow", "blue", "green", "orange", "red", "purple", "gray-dark"}


def test_fields_are_those_of_a_composite_action() -> None:
    assert set(ACTION) == {"name", "description", "author", "branding", "inputs", "outputs", "runs"}
    assert all(isinstance(ACTION[key], str) and ACTION[key] for key in ("name", "description", "author"))
    assert set(ACTION["branding"]) == {"icon", "color"}
    assert ACTION["branding"]["color"] in _COLOURS
    assert set(ACTION["runs"]) == {"using", "steps"}
    assert ACTION["runs"]["using"] == "composite"


@pytest.mark.parametrize("name", ACTION["inputs"])
def test_an_input(name: str) -> None:
    entry = ACTION["inputs"][name]
    assert _ID.fullmatch(name)
    assert set(entry) <= {"description", "required", "default", "deprecationMessage"}
    assert isinstance(entry["description"], str)
    assert (entry.get("required") is True) != isinstance(entry.get("default"), str)  # one or the other
    assert any(f"inputs.{name}" in names for names in map(names_in, _expressions(STEPS))), "nobody reads it"


@pytest.mark.parametrize("name", ACTION["outputs"])
def test_an_output_is_written_by_its_step(name: str) -> None:
    entry = ACTION["outputs"][name]
    assert _ID.fullmatch(name)
    assert set(entry) == {"description", "value"}
    (expression,) = expressions_in(entry["value"])
    _, step, _, key = expression.split(".")
    (script,) = [one["run"] for one in STEPS if one.get("id") == step]
    assert re.search(rf'\becho "{key}=|f"{key}=', script)


@pytest.mark.parametrize("step", STEPS)
def test_a_step(step: dict[str, Any]) -> None:
    assert set(step) <= STEP_KEYS
    if "uses" in step:
        assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]), "an action, at a version"
        assert not {"run", "shell"} & set(step)
    else:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "inputs go through the environment: a script is never made of them"
    for expression in _expressions(step):
        for name in names_in(expression):
            assert name in {f"inputs.{one}" for one in ACTION["inputs"]} | {"github.action_path"}


def test_scripts_are_bash() -> None:
    for step in STEPS:
        if "run" in step:
            done = subprocess.run(["bash", "-n"], input=step["run"], capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")


def _expressions(value: Any) -> list[str]:
    if isinstance(value, str):
        return expressions_in(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for each in inner for one in _expressions(each)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for name in ("workspace", "scratch"):
        (tmp_path / name).mkdir()
    return Machine(tmp_path / "workspace", tmp_path / "scratch")


def stand_in(machine: Machine, code: int, result: dict[str, Any] | None) -> None:
    """A ``compressor`` that notes its arguments, leaves a result and ends with a code."""
    commands = machine.scratch / "bin"
    commands.mkdir()
    lines = ["#!/bin/bash", 'printf "%s\\n" "$@" > arguments']
    if result is not None:
        (machine.scratch / "result.json").write_text(json.dumps(result))
        lines += [
            'for one in "$@"; do',
            f'[[ $one != --output=* ]] || cp {machine.scratch}/result.json "${{one#*=}}"',
            "done",
        ]
    (commands / "compressor").write_text("\n".join([*lines, f"exit {code}", ""]))
    (commands / "compressor").chmod(0o755)


def result(status: str, *ratios: float | None) -> dict[str, Any]:
    findings = [{"check": "size", "value": 0.5}, *({"check": "latency", "value": ratio} for ratio in ratios)]
    return {"kind": "gate", "status": status, "findings": findings}


def acted(machine: Machine, **given: str) -> Step:
    return Runner(machine, {}).action(ROOT, {**GIVEN, **given})


@pytest.mark.parametrize(
    ("code", "status", "inconclusive", "outcome"),
    [
        (0, "pass", "fail", "success"),
        (1, "fail", "fail", "failure"),
        (1, "fail", "warn", "failure"),
        (3, "environment", "warn", "failure"),
        (4, "inconclusive", "fail", "failure"),
        (4, "inconclusive", "warn", "success"),
    ],
)
def test_exit_codes(code: int, status: str, inconclusive: str, outcome: str, machine: Machine) -> None:
    stand_in(machine, code, result(status, 0.51239, 0.7))
    done = acted(machine, inconclusive=inconclusive)
    reports = machine.workspace / "compressor-gate"
    assert done.outcome == outcome, done.log
    assert done.outputs == {
        "status": status, "exit-code": str(code), "ratio": "0.5124", "json": f"{reports}/gate.json",
        "junit": f"{reports}/gate.xml", "markdown": f"{reports}/gate.md", "benchmark-json": f"{reports}/benchmark.json",
    }  # fmt: skip


@pytest.mark.parametrize("ratios", [(), (None,)])
def test_no_latency_is_no_ratio(ratios: tuple[None, ...], machine: Machine) -> None:
    stand_in(machine, 0, result("pass", *ratios))
    assert acted(machine).outputs["ratio"] == ""


@pytest.mark.parametrize("code", [2, 3, 127, 130, 0])
def test_without_a_result_it_is_an_error(code: int, machine: Machine) -> None:
    stand_in(machine, code, None)
    (machine.workspace / "compressor-gate").mkdir()
    (machine.workspace / "compressor-gate" / "gate.json").write_text(json.dumps(result("pass", 1.0)))  # of another run
    done = acted(machine, inconclusive="warn")
    assert done.outcome == "failure"
    assert done.outputs["status"] == "error"
    assert {done.outputs[key] for key in ("ratio", "json", "junit")} == {""}
    (mark,) = done.annotations
    assert (mark.level, f"exit code {code}" in mark.message) == ("error", True)


@pytest.mark.parametrize(
    "given",
    [
        {"inconclusive": "ignore"}, {"inconclusive": ""}, {"reports": "a\necho status=pass"}, {"reports": "a\x1bb"},
    ],
)  # fmt: skip
def test_wrong_inputs_end_before_anything_runs(given: dict[str, str], machine: Machine) -> None:
    stand_in(machine, 0, result("pass"))
    done = acted(machine, **given)
    assert done.outcome == "failure"
    assert done.outputs["status"] == ""
    assert [mark.level for mark in done.annotations] == ["error"]
    assert list(machine.workspace.iterdir()) == []


HOSTILE = [
    '"; touch hacked; "',
    "$(touch hacked)",
    "`touch hacked`",
    "--schema",
    "-h",
    "a b*?",
    "';touch hacked;'",
    "$HOME",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_inputs_stay_texts(text: str, machine: Machine) -> None:
    stand_in(machine, 0, result("pass", 1.0))
    done = acted(machine, baseline=text, candidate=text, policy=text, reports=f"./{text}")
    assert done.outcome == "success", done.log
    assert not (machine.workspace / "hacked").exists()
    arguments = (machine.workspace / "arguments").read_text().splitlines()
    assert [f"--{key}={text}" for key in GIVEN] == [one for one in arguments if one.partition("=")[0][2:] in GIVEN]
    assert done.outputs["json"] == f"{machine.workspace}/{text}/gate.json"


@pytest.mark.parametrize("text", ["-x", "--", "-e"])
def test_a_folder_may_begin_with_a_dash(text: str, machine: Machine) -> None:
    stand_in(machine, 0, result("pass", 1.0))
    assert acted(machine, reports=text).outputs["json"] == f"{machine.workspace}/{text}/gate.json"


@pytest.mark.parametrize(
    ("given", "installed"),
    [
        ({}, str(ROOT)),
        ({"extras": "openvino,torch"}, f"{ROOT}[openvino,torch]"),
        ({"install": "compressor[study]==1.0", "extras": "ignored"}, "compressor[study]==1.0"),
        ({"install": "--index-url=http://evil; touch hacked"}, "--index-url=http://evil; touch hacked"),
        ({"install": "none"}, None),
    ],
)
def test_what_is_installed(given: dict[str, str], installed: str | None, machine: Machine) -> None:
    stand_in(machine, 2, None)
    stub = machine.scratch / "bin" / "python"
    stub.write_text('#!/bin/bash\nprintf "%s\\n" "$@" > installed\n')
    stub.chmod(0o755)
    Runner(machine, {}, skipped_ids={}).action(ROOT, {**GIVEN, **given})
    noted = machine.workspace / "installed"
    if installed is None:
        assert not noted.exists()
    else:
        assert noted.read_text().splitlines()[-2:] == ["--", installed]  # after --, pip takes no options
        assert noted.read_text().splitlines()[:3] == ["-m", "pip", "install"]


def test_extras_named_in_the_description_exist() -> None:
    (named,) = re.findall(r"\(([\w,]+)\)", ACTION["inputs"]["extras"]["description"])
    assert set(named.split(",")) <= set(PYPROJECT["project"]["optional-dependencies"])
