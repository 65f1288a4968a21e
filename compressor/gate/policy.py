"""The policy of a gate: which checks, and what they demand. Each check brings its own part, so this file knows none."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, create_model

from compressor.errors import UsageError
from compressor.gate.check import CHECKS
from compressor.settings import Part, read_settings, validated
from compressor.targets import PathLike

VERSION = 1
SCHEMA_ID = "gate-policy.schema.json"


@dataclass(frozen=True)
class Policy:
    """A checked policy.

    Attributes:
        checks: settings by the name of the check, in the order of the file.
        folder: what relative paths in it are relative to.
        name: of the file, for reports.
    """

    checks: dict[str, Part]
    folder: Path = field(default_factory=Path)
    name: str = "policy"

    def to_json(self) -> dict[str, Any]:
        """What it demands, defaults included."""
        return {name: settings.model_dump(mode="json") for name, settings in self.checks.items()}

    def files(self) -> list[Path]:
        """Every file that it names, user code too: no report may take its place."""
        named = [name for settings in self.checks.values() for name in settings.names_files()]
        return [self.folder / part for name in named for part in (name, name.rpartition(":")[0]) if part]


def read_policy(path: PathLike) -> Policy:
    """A policy from a YAML or .json file.

    Raises:
        UsageError: unreadable, an unknown key, or a value that makes no sense; says where.
    """
    path = Path(path)
    return parse_policy(read_settings(path, "policy"), str(path), path.resolve().parent)


def parse_policy(found: Any, where: str = "policy", folder: Path | None = None) -> Policy:
    """A policy from plain values.

    Args:
        found: keys and values, as the file has them.
        where: its name, for messages.
        folder: of its relative paths; by default the current one.

    Raises:
        UsageError: it does not fit the schema, or demands nothing.
    """
    model = validated(policy_model(), found, where)
    given = [name for name in found if name != "version" and getattr(model, name) is not None]
    if not given:
        known = ", ".join(CHECKS.names())
        raise UsageError("the policy checks nothing", where=where, fix=f"Give one or more of {known}.")
    return Policy({name: getattr(model, name) for name in given}, folder or Path(), where)


def policy_schema() -> dict[str, Any]:
    """The JSON Schema of policy files, for editors and other checkers."""
    schema = policy_model().model_json_schema(mode="validation")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID}
    return {**head, **schema, "title": "compressor gate policy"}


@cache
def policy_model() -> type[Part]:
    """The pydantic model of a policy file: an optional block for each check. Recipes hold one too."""
    fields: dict[str, Any] = {
        name: (entry.settings | None, Field(default=None, description=_first_line(entry.function)))
        for name, entry in CHECKS.items()
    }
    version = (int, Field(default=VERSION, ge=VERSION, le=VERSION, description="Of this format."))
    return create_model("Policy", __base__=Part, __doc__="What a release must keep.", version=version, **fields)


def _first_line(function: Any) -> str:
    return str(function.__doc__ or "").strip().splitlines()[0]
