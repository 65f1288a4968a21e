"""What a recipe comes to: its stages in order, what each reads, and the key under which its result is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compressor.backends.fingerprint import fingerprint
from compressor.errors import UsageError
from compressor.recipe.code_version import code_version, library_versions
from compressor.recipe.common import RecipeFile
from compressor.recipe.sources import model_digest, source_digest
from compressor.recipe.stage import INPUT, Flow, Stage, stages_in_order


@dataclass(frozen=True)
class Planned:
    """A stage that is to run.

    Attributes:
        flow: what there is when it begins.
        reads: products that it reads.
        parameters: what of the recipe its result depends on.
        sources: name in the recipe -> SHA-256 of what it stands for.
        hardware: its own result depends on the machine.
        repeatable: the same bytes come out anywhere; not where it measures, or reads what comes of a measurement.
    """

    name: str
    stage: Stage
    flow: Flow
    reads: tuple[str, ...]
    parameters: dict[str, Any]
    sources: dict[str, str]
    hardware: bool = False
    repeatable: bool = True

    def depends_on(self, digests: Mapping[str, str]) -> dict[str, Any]:
        """Everything that its result depends on, given the digests of products."""
        found: dict[str, Any] = {
            "stage": self.name,
            "parameters": self.parameters,
            "sources": self.sources,
            "inputs": {name: digests[name] for name in self.reads},
            "code": code_version(),
            "libraries": library_versions(),
        }
        return {**found, "hardware": hardware()} if self.hardware else found

    def key(self, digests: Mapping[str, str]) -> str:
        """SHA-256 of that."""
        return hashlib.sha256(json.dumps(self.depends_on(digests), sort_keys=True).encode()).hexdigest()


def hardware() -> dict[str, Any]:
    """What of this machine times depend on."""
    found = fingerprint().to_json()
    return {key: value for key, value in found.items() if key not in ("libraries", "digest", "python", "runtime")}


def plan_run(recipe: RecipeFile) -> tuple[list[Planned], dict[str, str]]:
    """The stages of a recipe in order, and the digests of the products that are there before any of them.

    Raises:
        UsageError: a file that the recipe names does not exist.
        ModelFileError: the model cannot be read.
    """
    exports = recipe.has("export")
    if not exports and _names_a_function(recipe.values.model):
        raise UsageError(
            f"model {recipe.values.model!r} is a function, and there is no block 'export'", where=str(recipe.path),
            fix="Add one: export: {input: [1x3x224x224]}.",
        )  # fmt: skip
    digests = {} if exports else {INPUT: model_digest(recipe.model())}
    further = {named: source_digest(named, recipe) for named in recipe.values.inputs}
    planned, flow = list[Planned](), Flow()
    measured: set[str] = set()
    for name, stage in stages_in_order():
        if not stage.active(recipe, name):
            continue
        named = stage.sources(recipe)
        sources = {one: source_digest(one, recipe) for one in named}
        reads, parameters = stage.reads(recipe, flow), stage.parameters(recipe, name)
        own = stage.measured(recipe)
        if own or any(product.partition("/")[0] in measured for product in reads):
            measured.add(name)
        all_sources = {**sources, **(further if named else {})}
        planned.append(Planned(name, stage, flow, reads, parameters, all_sources, own, name not in measured))
        flow = stage.after(recipe, flow, name)
    return planned, digests


def _names_a_function(model: str) -> bool:
    head, colon, name = model.rpartition(":")
    return bool(colon) and name.isidentifier() and bool(head)
