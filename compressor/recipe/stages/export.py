"""The stage ``export``: a PyTorch module as ONNX, in the form that is trained and in the form that is deployed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from compressor.export_request import (
    axes_by_input,
    build_module,
    example_inputs,
    parse_argument,
    parse_axes,
    parse_input,
)
from compressor.recipe.common import RecipeFile
from compressor.recipe.stage import STAGES, Flow, Outcome, Stage, Work, block_of
from compressor.settings import Part

DEPLOY, TRAINING = "original.onnx", "original.train.onnx"


class Export(Part):
    """How the module that ``model`` names is exported; see ``compressor export --help``.

    Attributes:
        input: one for each argument of forward: [NAME=]SHAPE[:TYPE], such as 1x3x224x224 or ids=1x128:int64.
        dynamic: "batch" alone for axis 0 of every input, or INPUT:AXIS=NAME for each dynamic axis.
        exporter: dynamo or torchscript.
        opset: of ai.onnx.
        checkpoint: a state dict to load first, of torch.save or safetensors.
        arg: arguments of the function that builds the module.
    """

    input: list[str] = Field(min_length=1)
    dynamic: list[str] = Field(default_factory=list)
    exporter: Literal["dynamo", "torchscript"] = "dynamo"
    opset: int | None = Field(default=None, gt=0, lt=100)
    checkpoint: str | None = None
    arg: dict[str, str | int | float | bool | None] = Field(default_factory=dict)


@STAGES.register("export")
class ExportStage(Stage):
    """Both forms: channels are chosen and trained on the one, the other is what results are compared with."""

    place, settings, uses = 10, Export, ("model",)

    def check(self, recipe: RecipeFile) -> None:
        """See Stage."""
        wish = block_of(recipe, "export", Export)
        for text in wish.input:
            parse_input(text)
        for key, value in wish.arg.items():
            parse_argument(f"{key}={value}")
        parse_axes(wish.dynamic)

    def sources(self, recipe: RecipeFile) -> list[str]:
        """See Stage."""
        checkpoint = block_of(recipe, "export", Export).checkpoint
        return [recipe.values.model, *([] if checkpoint is None else [checkpoint])]

    def reads(self, recipe: RecipeFile, flow: Flow) -> tuple[str, ...]:
        """See Stage."""
        return ()

    def run(self, work: Work) -> Outcome:
        """See Stage."""
        from compressor.exporting import export
        from compressor.models.export import DEFAULT_OPSET

        wish, seed = block_of(work.recipe, "export", Export), work.recipe.seed
        module = build_module(work.recipe.placed(work.recipe.values.model), dict(wish.arg), seed)
        examples = example_inputs([parse_input(text) for text in wish.input], seed)
        checkpoint = None if wish.checkpoint is None else work.recipe.placed(wish.checkpoint)
        result = export(
            module, examples, work.folder / DEPLOY, dynamic=axes_by_input(parse_axes(wish.dynamic), module, examples),
            exporter=wish.exporter, opset=wish.opset or DEFAULT_OPSET, checkpoint=checkpoint, progress=work.progress,
        )  # fmt: skip
        said = f"{result.parameters:,} parameters, equal to the module to {result.max_error:.1g} of the output"
        forms = [{key: value for key, value in one.items() if key != "path"} for one in result.to_json()["forms"]]
        return Outcome({**result.to_json(), "forms": forms}, [said, *result.notes])

    def after(self, recipe: RecipeFile, flow: Flow, name: str) -> Flow:
        """See Stage."""
        return Flow((*flow.done, name), f"{name}/{DEPLOY}", f"{name}/{TRAINING}")
