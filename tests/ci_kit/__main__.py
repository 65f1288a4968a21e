"""``python -m tests.ci_kit [FOLDER] [NAME=VALUE ...]``: carry out the workflow of an example repository here.

python -m tests.ci_kit docs/ci/example candidate=regressed
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.ci_kit.example import EXAMPLE, run_workflow
from tests.ci_kit.github_results import Step


def main(arguments: list[str]) -> int:
    """Exit code 0 if every job succeeds."""
    folders = [one for one in arguments if "=" not in one]
    inputs = dict(one.split("=", 1) for one in arguments if "=" in one)
    with tempfile.TemporaryDirectory(prefix="ci-kit-") as scratch:
        workspace = Path(scratch) / "workspace"
        shutil.copytree(Path(folders[0]) if folders else EXAMPLE, workspace)
        jobs = run_workflow(workspace, Path(scratch) / "scratch", inputs)
        for job in jobs:
            print(f"job {job.name}: {job.conclusion}")
            _show(job.steps, "  ")
    return 0 if all(job.conclusion == "success" for job in jobs) else 1


def _show(steps: Iterable[Step], indent: str) -> None:
    for step in steps:
        print(f"{indent}{step.name}: {step.outcome}{f' ({step.why})' if step.why else ''}")
        for line in (step.log if not step.steps else "").splitlines():
            print(f"{indent}  | {line}")
        _show(step.steps, indent + "  ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
