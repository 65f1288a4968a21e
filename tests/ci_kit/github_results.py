"""How steps and jobs of GitHub ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.ci_kit.github_files import Annotation


@dataclass
class Step:
    """How a step ended.

    Attributes:
        name: its name, id or action.
        outcome: "success", "failure" or "skipped"; ``conclusion`` is after continue-on-error.
        why: it was skipped, or is not carried out here.
        steps: those inside, where it is a composite action.
    """

    name: str
    outcome: str = "skipped"
    conclusion: str = "skipped"
    why: str = ""
    exit_code: int | None = None
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""
    annotations: list[Annotation] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


@dataclass
class Job:
    """How a job ended: "success" or "failure"."""

    name: str
    conclusion: str
    steps: list[Step]

    def step(self, name: str) -> Step:
        """The step of that name."""
        (found,) = [step for step in self.steps if step.name == name]
        return found
