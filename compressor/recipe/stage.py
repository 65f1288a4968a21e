"""What a stage of a recipe is, and the registry of stages.

To add one: a file in ``compressor/recipe/stages`` with a class under ``@STAGES.register("name")``. Its settings become
a block of the recipe and of the JSON Schema; it is cached, printed, locked and resumed like all others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from compressor.proof import Progress
from compressor.recipe.common import RecipeFile
from compressor.recipe.pass_manager import PassManager
from compressor.registry import Registry
from compressor.settings import Part

STAGES: Registry[type[Stage]] = Registry("stage", "compressor.recipe.stages")

INPUT = "input/model.onnx"
"""The model that the recipe names, as a product."""
MODEL = "model.onnx"
"""What every stage that makes a model calls it."""

_S = TypeVar("_S", bound=Part)


@dataclass(frozen=True)
class Flow:
    """What there is when a stage begins. Products are named "stage/file".

    Attributes:
        done: names of the stages before it, in order.
        original: the product that results are compared with: the recipe's file, or the module exported for deployment.
        model: the product that is the model by now.
    """

    done: tuple[str, ...] = ()
    original: str = INPUT
    model: str = INPUT


@dataclass(frozen=True)
class Outcome:
    """What a stage found, beside the files that it wrote.

    Attributes:
        record: JSON-ready, for run.json.
        lines: a few lines for people.
        exit_code: of the run, where no stage before asked for another; 0 is well.
        keep: whether the result may serve the next run too; a measurement that concluded nothing is taken anew.
    """

    record: dict[str, Any] = field(default_factory=dict)
    lines: Sequence[str] = ()
    exit_code: int = 0
    keep: bool = True


@dataclass(frozen=True)
class Work:
    """What a stage is given.

    Attributes:
        recipe: all of it.
        flow: what there is.
        folder: where products go; it becomes visible to later stages when the stage is done, whole or not at all.
        scratch: what lies there is found again after a kill, until the stage is done.
        files: paths of the products that the stage ``reads``.
        passes: carries out rewriting passes, one by one.
        progress: called with (what, done, total).
    """

    recipe: RecipeFile
    flow: Flow
    folder: Path
    scratch: Path
    files: Mapping[str, Path]
    passes: PassManager
    progress: Progress

    @property
    def model(self) -> Path:
        """The model as it is by now."""
        return self.files[self.flow.model]


class Stage(ABC):
    """One stage. Instances hold nothing.

    Attributes:
        place: stages run in the order of it; no two have the same.
        settings: the recipe's block of that name.
        always: it runs without being asked for.
        measures: what it writes is a measurement, whatever the recipe says.
        uses: names of the recipe's common settings that it depends on (beside the seed).
        passes: names of the rewriting passes that it carries out, for --dump-after.
        publishes: files of its products that are shown in the output folder.
        exit_codes: that its outcome may ask for, beside 0.
    """

    place: ClassVar[int]
    settings: ClassVar[type[Part]]
    always: ClassVar[bool] = False
    measures: ClassVar[bool] = False
    uses: ClassVar[tuple[str, ...]] = ()
    passes: ClassVar[tuple[str, ...]] = ()
    publishes: ClassVar[tuple[str, ...]] = ()
    exit_codes: ClassVar[tuple[int, ...]] = ()

    def active(self, recipe: RecipeFile, name: str) -> bool:
        """Whether it has something to do."""
        return recipe.block(name) is not None

    def check(self, recipe: RecipeFile) -> None:  # noqa: B027 - most have nothing to check
        """Raise UsageError (or RegistryError) for settings that make no sense; called before any work."""

    def parameters(self, recipe: RecipeFile, name: str) -> dict[str, Any]:
        """Everything of the recipe that its result depends on, JSON-ready."""
        block = recipe.block(name)
        common = {key: getattr(recipe.values, key) for key in ("seed", *self.uses)}
        return {"settings": None if block is None else block.model_dump(mode="json"), **common}

    def measured(self, recipe: RecipeFile) -> bool:
        """Whether its result depends on times: on the hardware, and never the same twice."""
        return self.measures

    def sources(self, recipe: RecipeFile) -> list[str]:
        """Files, folders and functions of the user's that it reads, as written in the recipe."""
        return []

    @abstractmethod
    def reads(self, recipe: RecipeFile, flow: Flow) -> tuple[str, ...]:
        """Products of earlier stages that it reads."""

    @abstractmethod
    def run(self, work: Work) -> Outcome:
        """Carry it out: read ``work.files``, write into ``work.folder``."""

    def after(self, recipe: RecipeFile, flow: Flow, name: str) -> Flow:
        """What there is when it is done; a stage that makes a model says so here."""
        return Flow((*flow.done, name), flow.original, flow.model)


class ModelStage(Stage):
    """A stage that writes a model: ``model.onnx`` in its folder."""

    def after(self, recipe: RecipeFile, flow: Flow, name: str) -> Flow:
        """See Stage."""
        return Flow((*flow.done, name), flow.original, f"{name}/{MODEL}")


def stages_in_order() -> list[tuple[str, Stage]]:
    """All registered stages as (name, instance), in the order in which they run."""
    found = [(name, kind()) for name, kind in STAGES.items()]
    return sorted(found, key=lambda entry: entry[1].place)


def block_of(recipe: RecipeFile, name: str, kind: type[_S]) -> _S:
    """A stage's own settings, as their type."""
    found = recipe.block(name)
    if not isinstance(found, kind):
        raise TypeError(f"the recipe's block {name!r} is {type(found).__name__}, not {kind.__name__}")
    return found
