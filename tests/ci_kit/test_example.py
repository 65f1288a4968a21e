"""The example repository of the docs: its workflow, carried out for each of its models, comes to the right verdict."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from compressor.gate.policy import read_policy
from tests.ci_kit.example import ACTIONS, EXAMPLE, WORKFLOW, copied, run_workflow
from tests.ci_kit.github_results import Job
from tests.ci_kit.yaml12 import load

QUICK = "seconds: 0.5"  # of the example's policy
_LONGER = ("seconds: 2", "seconds: 5")  # where a busy machine leaves it open


def judged(folder: Path, candidate: str | None) -> Job:
    """The workflow's job; longer measurements where the first cannot tell."""
    for attempt, seconds in enumerate((QUICK, *_LONGER)):
        here = folder / str(attempt)
        here.mkdir()
        workspace = copied(here)
        policy = workspace / "gate.yaml"
        policy.write_text(policy.read_text().replace(QUICK, seconds))
        (job,) = run_workflow(workspace, here / "scratch", {"candidate": candidate} if candidate else None)
        if job.step("Gate").outputs["status"] != "inconclusive":
            return job
    pytest.skip(f"the machine is too busy to measure: {job.step('Gate').annotations}")


def findings(job: Job) -> dict[str, dict[str, Any]]:
    """By check."""
    found = json.loads(Path(job.step("Gate").outputs["json"]).read_text())
    return {one["check"]: one for one in found["findings"]}


@pytest.mark.parametrize("candidate", [None, "unchanged"])
def test_a_good_candidate_passes(candidate: str | None, tmp_path: Path) -> None:
    job = judged(tmp_path, candidate)
    gate = job.step("Gate")
    assert (job.conclusion, gate.outputs["status"], gate.outputs["exit-code"]) == ("success", "pass", "0"), gate.log
    assert gate.summary.startswith("## ✅ The candidate passes\n")
    assert gate.summary == Path(gate.outputs["markdown"]).read_text()
    assert gate.annotations == []
    assert {one["status"] for one in findings(job).values()} == {"pass"}
    ratio = float(gate.outputs["ratio"])
    assert ratio < (1.2 if candidate else 0.7)  # a pull request takes the improved one
    assert (
        job.step("Say it").log
        == f"The gate says pass; the candidate takes {gate.outputs['ratio']} of the baseline's time.\n"
    )


def test_a_bad_candidate_fails_and_says_why(tmp_path: Path) -> None:
    job = judged(tmp_path, "regressed")
    gate = job.step("Gate")
    assert (job.conclusion, gate.outputs["status"], gate.outputs["exit-code"]) == ("failure", "fail", "1"), gate.log
    found = findings(job)
    failed = {check for check, one in found.items() if one["status"] == "fail"}
    assert failed - {"latency"} == {"size", "params", "drift", "metric"}
    assert found["latency"]["status"] in ("fail", "inconclusive")  # busy machines may leave it open
    assert found["latency"]["value"] > 1.3
    assert float(gate.outputs["ratio"]) == pytest.approx(found["latency"]["value"], abs=1e-4)
    assert gate.summary.startswith("## ❌ The candidate fails\n")
    assert {mark.properties["file"] for mark in gate.annotations} == {"models/regressed.onnx"}
    assert len([mark for mark in gate.annotations if mark.level == "error"]) == len(failed)
    root = ElementTree.parse(gate.outputs["junit"]).getroot()
    assert root.get("failures") == str(len(failed))
    names = {entry["name"] for entry in json.loads(Path(gate.outputs["benchmark-json"]).read_text())}
    assert {"size", "parameters", "latency: onnxruntime-cpu, 1 thread, latency"} <= names
    assert job.step("Keep the reports").outcome == "success"  # runs after a failure too


def test_the_policy_is_one() -> None:
    policy = read_policy(EXAMPLE / "gate.yaml")
    assert set(policy.checks) == {"size", "params", "ops", "opset", "runtime", "drift", "metric", "latency"}
    assert QUICK in (EXAMPLE / "gate.yaml").read_text()


def test_the_readme_names_every_file() -> None:
    text = (EXAMPLE / "README.md").read_text()
    own = {".gitignore", "README.md"}
    files = {str(path.relative_to(EXAMPLE)) for path in EXAMPLE.rglob("*") if path.is_file()}
    ours = {name for name in files - own if not name.startswith(("models/", "reports/")) and "__pycache__" not in name}
    assert set(re.findall(r"^    ([\w./-]+)  ", text, re.MULTILINE)) == ours


def test_the_workflow_uses_this_action_and_gives_no_secrets_away() -> None:
    workflow = load(EXAMPLE / WORKFLOW)
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v[\d.]+", one) for one in used)
    assert [one for one in used if one.partition("@")[0] in ACTIONS]
    assert all("${{" not in step.get("run", "") for step in job["steps"])


@pytest.fixture(scope="module")
def scripts() -> tuple[ModuleType, ModuleType]:
    """``evaluate.py`` and ``make_models.py``."""
    found = []
    for name in ("evaluate", "make_models"):
        spec = importlib.util.spec_from_file_location(name, EXAMPLE / f"{name}.py")
        if spec is None or spec.loader is None:
            pytest.fail(f"no {name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # make_models imports evaluate
        spec.loader.exec_module(module)
        found.append(module)
    for name in ("evaluate", "make_models"):
        del sys.modules[name]
    return found[0], found[1]


def test_its_models_are_what_it_says(scripts: tuple[ModuleType, ModuleType], tmp_path: Path) -> None:
    evaluate, make_models = scripts
    make_models.main(tmp_path)
    right = {path.stem: evaluate.accuracy(str(path)) for path in tmp_path.iterdir()}
    means = {name: float(each.mean()) for name, each in right.items()}
    assert means["baseline"] > 0.8
    assert np.mean(right["improved"] == right["baseline"]) > 0.999
    np.testing.assert_array_equal(right["unchanged"], right["baseline"])
    assert means["regressed"] < means["baseline"] - 0.05
    sizes = {path.stem: path.stat().st_size for path in tmp_path.iterdir()}
    assert 0.2 < sizes["improved"] / sizes["baseline"] < 0.4
    assert 1 < sizes["unchanged"] / sizes["baseline"] < 1.001
    assert sizes["regressed"] / sizes["baseline"] > 2
