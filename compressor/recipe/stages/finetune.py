"""The stage ``finetune``: training of what is left; the original is the teacher."""

from __future__ import annotations

import onnx_graphsurgeon as gs

from compressor.errors import UsageError
from compressor.loaded import load_model
from compressor.model_io import read, write
from compressor.normalize import normalize
from compressor.passes.apply_plan import realise
from compressor.passes.plan import read_plan
from compressor.passes.rewrite import removal_of
from compressor.recipe.common import RecipeFile
from compressor.recipe.stage import MODEL, STAGES, Flow, ModelStage, Outcome, Work
from compressor.recipe.stages.prune import PLAN, PRUNE, in_steps
from compressor.recipe.training import FINETUNE, Finetune, check_training, training_sources, wish_of


@STAGES.register(FINETUNE)
class FinetuneStage(ModelStage):
    """Training through PyTorch; a killed run goes on from its last checkpoint, to the same bits."""

    place, settings, uses = 60, Finetune, ("data", "pixels")

    def check(self, recipe: RecipeFile) -> None:
        """See Stage."""
        check_training(recipe)

    def active(self, recipe: RecipeFile, name: str) -> bool:
        """See Stage."""
        return super().active(recipe, name) and not in_steps(recipe)

    def sources(self, recipe: RecipeFile) -> list[str]:
        """See Stage."""
        return training_sources(recipe)

    def reads(self, recipe: RecipeFile, flow: Flow) -> tuple[str, ...]:
        """See Stage."""
        return (flow.model, f"clean/{MODEL}", *((f"{PRUNE}/{PLAN}",) if recipe.has(PRUNE) else ()))

    def run(self, work: Work) -> Outcome:
        """See Stage."""
        from compressor.finetuning import tune

        wish = wish_of(work.recipe, work.scratch)
        if wish is None:
            raise UsageError("there is nothing to train with", fix="Give data, or a function of your own.")
        work.scratch.mkdir(exist_ok=True)
        teacher: gs.Graph
        clean, plan_path = work.files[f"clean/{MODEL}"], work.files.get(f"{PRUNE}/{PLAN}")
        schedule, metric, kept = (0.0,), "", None
        if plan_path is None:
            teacher = read(clean)
        else:
            plan, loaded = read_plan(plan_path), load_model(clean, keep_dropout=True)
            analysis, atoms = realise(plan, loaded.analysis, plan.digest)
            teacher, kept = analysis.graph, removal_of(analysis, atoms).tensor_masks
            metric = str(plan.made_with.get("metric", ""))
            schedule = (plan.share,)
        tuned = tune(
            read(work.model), teacher, wish, schedule=schedule, metric=metric, kept=kept, seed=work.recipe.seed,
            progress=work.progress,
        )  # fmt: skip
        write(normalize(tuned.graph), work.folder / MODEL)
        history = [entry for entry in tuned.record["history"] if "epoch" in entry]
        shown = [entry.get("validation_accuracy") for entry in history]
        best = max((value for value in shown if isinstance(value, int | float)), default=None)
        said = f"{max((entry['epoch'] for entry in history), default=0)} epochs on {tuned.record['device']}"
        return Outcome(tuned.record, [said if best is None else f"{said}, best validation accuracy {best:.4f}"])
