"""The stage ``verify``: the final file against what it came from; only after it a model is shown."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from compressor.backends.base import open_model
from compressor.model_io import read
from compressor.normalize import normalize
from compressor.passes.analysis import analyse
from compressor.proof import same_interface, verify_files
from compressor.recipe.common import RecipeFile
from compressor.recipe.stage import MODEL, STAGES, Flow, Outcome, Stage, Work, block_of
from compressor.recipe.stages.prune import PLAN, PRUNE, in_steps
from compressor.recipe.training import FINETUNE, RECOVER
from compressor.same_function import prove_same
from compressor.settings import Part
from compressor.structure_proof import verify_structure
from compressor.user_evaluation import figures

VERIFICATION = "verification.json"


class Verify(Part):
    """What of the proof to repeat on the final file.

    Attributes:
        inputs: random inputs to try.
    """

    inputs: int = Field(default=3, gt=0, le=10_000)


@STAGES.register("verify")
class VerifyStage(Stage):
    """The plan explains every node; folding changed nothing; inputs and outputs are the original's; it opens."""

    place, settings, always, uses, publishes = 80, Verify, True, ("eval",), (VERIFICATION,)

    def sources(self, recipe: RecipeFile) -> list[str]:
        """See Stage."""
        return [] if recipe.values.eval is None else [recipe.values.eval]

    def parameters(self, recipe: RecipeFile, name: str) -> dict[str, Any]:
        """See Stage."""
        return {**super().parameters(recipe, name), "trained": _trained(recipe)}

    def reads(self, recipe: RecipeFile, flow: Flow) -> tuple[str, ...]:
        """See Stage."""
        plan = (f"{PRUNE}/{PLAN}",) if recipe.has(PRUNE) else ()
        return tuple(dict.fromkeys((flow.original, f"clean/{MODEL}", _unfolded(flow), flow.model, *plan)))

    def run(self, work: Work) -> Outcome:
        """See Stage."""
        recipe, wish = work.recipe, block_of(work.recipe, "verify", Verify)
        original, unfolded = work.files[work.flow.original], work.files[_unfolded(work.flow)]
        clean, plan = work.files[f"clean/{MODEL}"], work.files.get(f"{PRUNE}/{PLAN}")
        record: dict[str, Any] = {}
        if plan is not None and _trained(recipe):
            record["nodes_of_the_plan"] = verify_structure(clean, unfolded, plan)
        elif plan is not None:
            proof = verify_files(clean, unfolded, plan, inputs=wish.inputs, seed=recipe.seed, progress=work.progress)
            record["pruned_equals_masked"] = proof.to_json()
        final = normalize(read(work.model))
        same_interface(normalize(read(original)), final, work.model)
        if work.model != unfolded:
            same = prove_same(
                analyse(final), read(unfolded), what="folding", inputs=wish.inputs, seed=recipe.seed,
                progress=lambda done, total: work.progress("folded equals unfolded", done, total),
            )  # fmt: skip
            record["folded_equals_unfolded"] = same.to_json()
        with open_model(work.model, threads=1) as session:
            record["opened_by"] = session.provider
        lines = [_said(record, plan is not None)]
        if recipe.values.eval is not None:
            record["evaluation"] = _evaluated(work, recipe.placed(recipe.values.eval))
            lines += [f"{name}: {_figures(found)}" for name, found in record["evaluation"].items()]
        (work.folder / VERIFICATION).write_text(json.dumps(record, indent=1, allow_nan=False), encoding="utf-8")
        return Outcome(record, lines)


def _trained(recipe: RecipeFile) -> bool:
    """Whether values are others than the cut gives."""
    return recipe.has(RECOVER) or recipe.has(FINETUNE) or in_steps(recipe)


def _unfolded(flow: Flow) -> str:
    """The model before it was folded."""
    makers = [name for name in flow.done if name in ("clean", PRUNE, RECOVER, FINETUNE)]
    return f"{makers[-1]}/{MODEL}"


def _evaluated(work: Work, function: str) -> dict[str, Any]:
    from compressor.user_code import load_callable

    called = load_callable(function)
    found = {}
    for number, (name, path) in enumerate((("original", work.files[work.flow.original]), ("final", work.model))):
        work.progress("evaluate", number, 2)
        found[name] = figures(called, path)
    work.progress("evaluate", 2, 2)
    return found


def _figures(found: dict[str, float | None]) -> str:
    return ", ".join(f"{key} {'none' if value is None else f'{value:.5g}'}" for key, value in found.items())


def _said(record: dict[str, Any], pruned: bool) -> str:
    said = ["opens in ONNX Runtime, with the original's inputs and outputs"]
    if "pruned_equals_masked" in record:
        said.insert(0, f"pruned equals masked (max error {record['pruned_equals_masked']['max_error']:.1g})")
    elif pruned:
        said.insert(0, f"{record['nodes_of_the_plan']} nodes are those of the plan's cut, values were trained")
    if "folded_equals_unfolded" in record:
        said.append(f"folded equals unfolded (max error {record['folded_equals_unfolded']['max_error']:.1g})")
    return "; ".join(said)
