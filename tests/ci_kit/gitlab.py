"""GitLab's runner, as far as the snippet needs it: one job, its script in one shell, artifacts, allowed exit codes.

Source: docs.gitlab.com, "CI/CD YAML syntax reference".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ci_kit.machine import Machine
from tests.ci_kit.yaml12 import load

JOB_KEYS = {"stage", "image", "variables", "before_script", "script", "allow_failure", "artifacts"}
ARTIFACT_KEYS = {"when", "paths", "reports"}
_INSTALLS = "python -m pip install "  # packages would come over the network; they are there


@dataclass(frozen=True)
class GitlabJob:
    """How a job ended.

    Attributes:
        status: "success", "failed", or "warning": failed with an exit code that is allowed.
        artifacts: files that GitLab would keep.
        junit: those it would show as tests.
    """

    status: str
    exit_code: int
    log: str
    artifacts: list[Path]
    junit: list[Path]


def run_job(machine: Machine, path: Path, name: str, variables: Mapping[str, str] | None = None) -> GitlabJob:
    """Carry out one job of a file.

    Args:
        machine: where.
        path: of the YAML file.
        name: of the job.
        variables: of the pipeline; they come before the job's own.
    """
    job = load(path)[name]
    unknown = (set(job) - JOB_KEYS) | (set(job["artifacts"]) - ARTIFACT_KEYS)
    if unknown:
        raise ValueError(f"{name}: {', '.join(unknown)} is not carried out here")
    other = [line for line in job.get("before_script", []) if not line.startswith(_INSTALLS)]
    script = machine.scratch / "job.sh"
    script.write_text("\n".join(["set -eo pipefail", *other, *job["script"]]) + "\n", encoding="utf-8")
    own = {key: str(value) for key, value in job.get("variables", {}).items()}
    told = {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(machine.workspace), **own, **(variables or {})}
    code, log = machine.run(["bash", script], {**machine.environment(), **told})
    artifacts = job["artifacts"]
    kept = artifacts.get("when", "on_success") in ("always", "on_failure" if code else "on_success")
    paths = [file for pattern in artifacts["paths"] for file in _files(machine.workspace, pattern)] if kept else []
    junit = machine.workspace / artifacts["reports"]["junit"]
    return GitlabJob(_status(code, job.get("allow_failure")), code, log, paths, [junit] if junit.is_file() else [])


def _files(folder: Path, pattern: str) -> list[Path]:
    found = folder.glob(pattern.rstrip("/"))
    return sorted(file for one in found for file in (one.rglob("*") if one.is_dir() else [one]) if file.is_file())


def _status(code: int, allowed: Any) -> str:
    if code == 0:
        return "success"
    codes = allowed.get("exit_codes", []) if isinstance(allowed, dict) else []
    spared = allowed is True or code in (codes if isinstance(codes, list) else [codes])
    return "warning" if spared else "failed"
