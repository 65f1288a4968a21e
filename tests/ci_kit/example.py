"""The example repository of the docs, ready to be run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.ci_kit.github import Runner
from tests.ci_kit.github_results import Job
from tests.ci_kit.machine import Machine
from tests.house.source_tree import ROOT

EXAMPLE = ROOT / "docs" / "ci" / "example"
WORKFLOW = Path(".github") / "workflows" / "gate.yml"
GITLAB = ROOT / "docs" / "ci" / "gitlab-ci.yml"
ACTIONS = {"your-org/compressor": ROOT}  # how the example calls this repository


def copied(folder: Path) -> Path:
    """A copy of the example as a workspace: a run leaves files in it."""
    return shutil.copytree(EXAMPLE, folder / "workspace", ignore=shutil.ignore_patterns("models", "reports"))


def machine(workspace: Path, scratch: Path) -> Machine:
    """A machine for a workspace."""
    scratch.mkdir(parents=True, exist_ok=True)
    return Machine(workspace, scratch)


def run_workflow(workspace: Path, scratch: Path, inputs: Mapping[str, str] | None = None) -> list[Job]:
    """The example's workflow: dispatched with inputs, or by a pull request where there are none."""
    event = "workflow_dispatch" if inputs else "pull_request"
    return Runner(machine(workspace, scratch), ACTIONS).workflow(workspace / WORKFLOW, event, inputs)
