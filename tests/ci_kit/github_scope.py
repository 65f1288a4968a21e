"""What expressions see and scripts find in their environment, in a workflow's job or in an action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.ci_kit.expressions import bare, evaluate, interpolated, names_in, shown, truthy

STATUS = {"success", "failure", "always", "cancelled"}
ENDS = {True: "failure", False: "success"}


class Outputs(dict[str, str]):
    """Of a step; those that it did not set are empty, as they are on GitHub."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> str:
        return ""


@dataclass
class Scope:
    """What expressions see, and what scripts find in their environment."""

    inputs: Mapping[str, str | None]
    github: dict[str, str]
    env: dict[str, str]
    steps: dict[str, Any] = field(default_factory=dict)
    failed: bool = False
    action: bool = False

    def contexts(self) -> dict[str, Any]:
        return {
            "inputs": self.inputs, "github": self.github, "env": self.env, "steps": self.steps,
            "runner": {"os": "Linux"}, "job": {"status": ENDS[self.failed]},
        }  # fmt: skip

    def text(self, value: Any) -> str:
        return interpolated(shown(value), self.contexts())

    def wants(self, condition: Any) -> bool:
        """As GitHub: a condition that asks for no status is one of success as well."""
        text = bare(shown(True if condition is None else condition))
        functions = {
            "success": lambda: not self.failed, "failure": lambda: self.failed, "always": lambda: True,
            "cancelled": lambda: False,
        }  # fmt: skip
        wanted = truthy(evaluate(text, self.contexts(), functions))
        return wanted and (not self.failed or bool(names_in(text) & STATUS))

    def texts(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Each with its expressions replaced."""
        return {name: self.text(value) for name, value in values.items()}
