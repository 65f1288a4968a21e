"""The stage ``recover``: weights that make up for what was removed, without training."""

from __future__ import annotations

from typing import Any

from compressor.errors import UsageError
from compressor.recipe.common import RecipeFile
from compressor.recipe.stage import MODEL, STAGES, Flow, ModelStage, Outcome, Work
from compressor.recipe.stages.prune import PLAN, PRUNE, in_steps
from compressor.recipe.training import FINETUNE, RECOVER, Recover, recovery_data


@STAGES.register(RECOVER)
class RecoverStage(ModelStage):
    """The plan is carried out again, which gives the same cut, and solved for. Steps of a schedule do it themselves."""

    place, settings, uses = 50, Recover, ("data", "pixels", "samples")

    def check(self, recipe: RecipeFile) -> None:
        """See Stage."""
        if not recipe.has(PRUNE):
            raise UsageError("nothing is pruned that could be recovered from", fix="Add a block 'prune'.")

    def active(self, recipe: RecipeFile, name: str) -> bool:
        """See Stage."""
        return super().active(recipe, name) and not in_steps(recipe)

    def parameters(self, recipe: RecipeFile, name: str) -> dict[str, Any]:
        """See Stage."""
        return {**super().parameters(recipe, name), "keep_dropout": recipe.has(FINETUNE)}

    def sources(self, recipe: RecipeFile) -> list[str]:
        """See Stage."""
        data = recovery_data(recipe)
        return [] if data is None else [data]

    def reads(self, recipe: RecipeFile, flow: Flow) -> tuple[str, ...]:
        """See Stage."""
        return (f"clean/{MODEL}", f"{PRUNE}/{PLAN}")

    def run(self, work: Work) -> Outcome:
        """See Stage."""
        from compressor.pipeline import replay

        recipe = work.recipe
        clean, plan = (work.files[name] for name in self.reads(recipe, work.flow))
        result = replay(
            clean, plan, work.folder / MODEL, verify=False, seed=recipe.seed, data=recipe.data(recovery_data(recipe)),
            samples=recipe.values.samples, recover=True, pixels=recipe.values.pixels,
            keep_dropout=recipe.has(FINETUNE), progress=work.progress,
        )  # fmt: skip
        found = result.recovery or {}
        before, after = found.get("output_error_before"), found.get("output_error_after")
        on = "made-up inputs" if found.get("made_up_inputs") else "samples"
        if not found.get("kept"):
            return Outcome(found, ["found nothing better than the pruned model, which is left as it is"])
        was = "not finite" if before is None else f"{before:.3g}"
        return Outcome(
            found, [f"error of the outputs {was} -> {after:.3g} of their variance, on {found['samples']} {on}"]
        )
