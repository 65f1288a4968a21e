"""The GitLab snippet: a job of known keywords, and what it makes of a pass, a fail and what cannot be known."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.backends.small_models import chain
from tests.ci_kit.example import GITLAB
from tests.ci_kit.gitlab import ARTIFACT_KEYS, JOB_KEYS, run_job
from tests.ci_kit.machine import Machine
from tests.ci_kit.yaml12 import load
from tests.gate.small import METRIC, saved_chain

NAME = "model-gate"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    workspace = tmp_path / "workspace"
    (workspace / "models").mkdir(parents=True)
    (tmp_path / "scratch").mkdir()
    saved_chain(workspace / "models" / "baseline.onnx", 4)
    saved_chain(workspace / "models" / "candidate.onnx", 4)
    saved_chain(workspace / "models" / "larger.onnx", 8)
    (workspace / "metric.py").write_text(METRIC)
    (workspace / "gate.yaml").write_text("size: {max_ratio: 1.0}\n")
    # 15 of 100 samples are right: whether that is 0.15 of all there are, nobody can know
    (workspace / "unsure.yaml").write_text("metric: {function: 'metric.py:by_sample', min_value: 0.15}\n")
    return Machine(workspace, tmp_path / "scratch")


def test_the_snippet_is_one_job() -> None:
    (job,) = load(GITLAB).values()
    assert set(load(GITLAB)) == {NAME}
    assert set(job) == JOB_KEYS
    assert set(job["artifacts"]) == ARTIFACT_KEYS
    assert job["artifacts"]["when"] == "always"  # or a failure would show no tests
    assert job["allow_failure"] == {"exit_codes": [4]}
    assert all(isinstance(value, str) for value in job["variables"].values())
    assert all(isinstance(line, str) for line in (*job["script"], *job["before_script"]))


@pytest.mark.parametrize(
    ("variables", "status", "code", "tag"),
    [
        ({}, "success", 0, "system-out"),
        ({"CANDIDATE": "models/larger.onnx"}, "failed", 1, "failure"),
        ({"POLICY": "unsure.yaml"}, "warning", 4, "skipped"),
    ],
)
def test_verdicts(variables: dict[str, str], status: str, code: int, tag: str, machine: Machine) -> None:
    done = run_job(machine, GITLAB, NAME, variables)
    assert (done.status, done.exit_code) == (status, code), done.log
    assert [path.name for path in done.artifacts] == ["gate.json", "gate.md", "gate.xml"]
    (junit,) = done.junit
    (case,) = ElementTree.parse(junit).getroot().iter("testcase")
    assert case[0].tag == tag


def test_a_file_that_is_no_model_fails_the_job(machine: Machine) -> None:
    (machine.workspace / "models" / "candidate.onnx").write_bytes(chain(1).SerializeToString()[:100])
    done = run_job(machine, GITLAB, NAME)
    assert (done.status, done.exit_code, done.artifacts, done.junit) == ("failed", 2, [], [])
    assert "error: models/candidate.onnx: " in done.log


def test_variables_stay_texts(machine: Machine) -> None:
    done = run_job(machine, GITLAB, NAME, {"CANDIDATE": 'x"; touch hacked; "$(touch hacked)'})
    assert done.exit_code == 2
    assert not (machine.workspace / "hacked").exists()
