"""GitHub's runner, as far as ``action.yml`` and the example's workflow need it.

Sources: docs.github.com, "Workflow syntax for GitHub Actions" and "Metadata syntax reference"; actions/runner,
CompositeActionHandler.cs (a composite's outputs are set however its steps end).

What is not carried out, and why, are the two tables below; whatever else is unknown is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.ci_kit.expressions import bare, evaluate, shown, truthy
from tests.ci_kit.github_files import marks_in, outputs
from tests.ci_kit.github_results import Job, Step
from tests.ci_kit.github_scope import ENDS, Outputs, Scope
from tests.ci_kit.machine import Machine
from tests.ci_kit.yaml12 import load

SKIPPED_ACTIONS = {
    "actions/checkout": "the workspace is there",
    "actions/setup-python": "python is there",
    "actions/upload-artifact": "files stay where they are",
}
SKIPPED_IDS = {"install": "packages would come over the network; they are there"}

STEP_KEYS = {"id", "name", "if", "uses", "with", "run", "shell", "env", "working-directory", "continue-on-error"}
JOB_KEYS = {"name", "runs-on", "timeout-minutes", "steps", "env"}
WORKFLOW_KEYS = {"name", "on", "permissions", "jobs", "env"}
_SHELLS = {
    "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail"),
    None: ("bash", "-e"),  # of workflows; actions must name one
}
_FILES = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH")


class Runner:
    """Carries out workflows and actions.

    Args:
        machine: where.
        actions: folders of actions by "owner/name", for ``uses: owner/name@version``.
        skipped_ids: steps that are not carried out here, by id, and why.
    """

    def __init__(
        self, machine: Machine, actions: Mapping[str, Path], skipped_ids: Mapping[str, str] = SKIPPED_IDS
    ) -> None:
        self._machine = machine
        self._actions = actions
        self._skipped_ids = skipped_ids
        self._count = 0

    def workflow(self, path: Path, event: str, inputs: Mapping[str, str] | None = None) -> list[Job]:
        """All jobs of a workflow, in the order of the file.

        Args:
            path: of the workflow.
            event: what happened: "pull_request" or "workflow_dispatch".
            inputs: of a dispatch.
        """
        found = load(path)
        _check_keys(found, WORKFLOW_KEYS, str(path))
        scope = self._outermost(event, _dispatched(found["on"], event, inputs or {}))
        jobs = []
        for name, job in found["jobs"].items():
            _check_keys(job, JOB_KEYS, name)
            env = scope.texts({**found.get("env", {}), **job.get("env", {})})
            own = Scope(scope.inputs, scope.github, {**scope.env, **env})
            steps = self._steps(job["steps"], own)
            jobs.append(Job(name, ENDS[own.failed], steps))
        return jobs

    def action(self, folder: Path, given: Mapping[str, str]) -> Step:
        """One action alone, as a step that uses it."""
        return self._composite(Step(folder.name), folder, given, self._outermost("workflow_dispatch", {}))

    def _outermost(self, event: str, inputs: Mapping[str, str | None]) -> Scope:
        github = {"workspace": str(self._machine.workspace), "event_name": event}
        told = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": github["workspace"]}
        return Scope(inputs, github, {**self._machine.environment(), **told})

    def _steps(self, steps: list[dict[str, Any]], scope: Scope) -> list[Step]:
        done = []
        for step in steps:
            _check_keys(step, STEP_KEYS, str(step.get("name") or step))
            result = self._step(step, scope)
            done.append(result)
            bad = result.outcome == "failure"
            spared = bad and truthy(evaluate(bare(shown(step.get("continue-on-error", False))), scope.contexts()))
            result.conclusion = "success" if spared else result.outcome
            scope.failed = scope.failed or (bad and not spared)
            if "id" in step:
                facts = {"outputs": Outputs(result.outputs), "outcome": result.outcome, "conclusion": result.conclusion}
                scope.steps[step["id"]] = facts
        return done

    def _step(self, step: dict[str, Any], scope: Scope) -> Step:
        named = Step(str(step.get("name") or step.get("id") or step.get("uses") or step.get("run")))
        if not scope.wants(step.get("if")):
            named.why = "its condition"
            return named
        action = str(step.get("uses", "")).partition("@")[0]
        why = SKIPPED_ACTIONS.get(action) or self._skipped_ids.get(str(step.get("id")))
        if why is not None:
            named.why, named.outcome = why, "success"
            return named
        env = {**scope.env, **scope.texts(step.get("env", {}))}
        if action:
            given = scope.texts(step.get("with", {}))
            inner = Scope(scope.inputs, scope.github, env)
            return self._composite(named, self._folder_of(action), given, inner)
        return self._script(named, step, env, scope)

    def _folder_of(self, action: str) -> Path:
        if action.startswith("./"):
            return self._machine.workspace / action
        if action not in self._actions:
            raise ValueError(f"no action {action} here: known are {', '.join(self._actions)}")
        return self._actions[action]

    def _composite(self, named: Step, folder: Path, given: Mapping[str, str], outer: Scope) -> Step:
        found = load(folder / "action.yml")
        inputs = _taken(found["inputs"], given)
        scope = Scope(inputs, {**outer.github, "action_path": str(folder)}, dict(outer.env), action=True)
        named.steps = self._steps(found["runs"]["steps"], scope)
        named.outcome = named.conclusion = ENDS[scope.failed]
        named.outputs = {name: scope.text(entry["value"]) for name, entry in found["outputs"].items()}
        named.log = "".join(step.log for step in named.steps)
        named.summary = "".join(step.summary for step in named.steps)
        named.annotations = [mark for step in named.steps for mark in step.annotations]
        return named

    def _script(self, named: Step, step: dict[str, Any], env: dict[str, str], scope: Scope) -> Step:
        if scope.action and "shell" not in step:
            raise ValueError(f"{named.name}: an action's step must name its shell")
        self._count += 1
        folder = self._machine.scratch / f"step-{self._count}"
        folder.mkdir(parents=True)
        files = {key: folder / key.lower() for key in _FILES}
        for path in files.values():
            path.touch()
        script = folder / "script.sh"
        script.write_text(scope.text(step["run"]), encoding="utf-8")
        told = {**env, **{key: str(path) for key, path in files.items()}, "RUNNER_TEMP": str(folder)}
        cwd = self._machine.workspace / scope.text(step.get("working-directory", "."))
        named.exit_code, named.log = self._machine.run([*_SHELLS[step.get("shell")], script], told, cwd)
        if files["GITHUB_ENV"].stat().st_size or files["GITHUB_PATH"].stat().st_size:
            raise ValueError(f"{named.name}: changes of later steps' environment are not carried out here")
        named.outcome = named.conclusion = ENDS[named.exit_code != 0]
        named.outputs = outputs(files["GITHUB_OUTPUT"])
        named.summary = files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
        named.annotations = marks_in(named.log)
        return named


def _check_keys(found: Any, known: set[str], where: str) -> None:
    unknown = set(found) - known if isinstance(found, dict) else {"no keys at all"}
    if unknown:
        raise ValueError(f"{where}: {', '.join(map(str, unknown))} is not carried out here")


def _dispatched(on: Any, event: str, given: Mapping[str, str]) -> dict[str, str | None]:
    """Inputs of a dispatch with their defaults; of any other event they are there and empty."""
    if event not in on:
        raise ValueError(f"the workflow does not run on {event}")
    declared: dict[str, Any] = (on.get("workflow_dispatch") or {}).get("inputs", {}) if isinstance(on, dict) else {}
    if event != "workflow_dispatch":
        return dict.fromkeys(declared)
    taken = _taken(declared, given)
    for name, value in taken.items():
        if value not in declared[name].get("options", [value]):
            raise ValueError(f"input {name}: {value!r} is none of its options")
    return dict(taken)


def _taken(declared: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Stricter than GitHub, which warns of unknown inputs and lets required ones be missing."""
    unknown = set(given) - set(declared)
    missing = {name for name, entry in declared.items() if entry.get("required") and not given.get(name)}
    if unknown or missing:
        raise ValueError(f"inputs: unknown {sorted(unknown)}, missing {sorted(missing)}")
    return {name: given.get(name, shown(entry.get("default"))) for name, entry in declared.items()}
