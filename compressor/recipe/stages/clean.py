"""The stage ``clean``: one form for all exporters, held against the model as it came."""

from __future__ import annotations

from typing import Any

from compressor.model_io import read, write
from compressor.normalize import normalize
from compressor.passes.folding import Folding
from compressor.recipe.common import RecipeFile
from compressor.recipe.stage import MODEL, STAGES, Flow, ModelStage, Outcome, Work, block_of
from compressor.settings import Part

NORMALISE = "normalise"


class Clean(Part):
    """Constants, identities and dead nodes go, functions are inlined; names stay.

    Attributes:
        verify: hold the result against the original.
    """

    verify: bool = True


@STAGES.register("clean")
class CleanStage(ModelStage):
    """Dropouts stay where the model is trained later."""

    place, settings, always, passes = 20, Clean, True, (NORMALISE,)

    def parameters(self, recipe: RecipeFile, name: str) -> dict[str, Any]:
        """See Stage."""
        return {**super().parameters(recipe, name), "keep_dropout": recipe.has("finetune")}

    def reads(self, recipe: RecipeFile, flow: Flow) -> tuple[str, ...]:
        """See Stage."""
        return (flow.model,)

    def run(self, work: Work) -> Outcome:
        """See Stage."""
        graph = read(work.model)
        keep, verify = work.recipe.has("finetune"), block_of(work.recipe, "clean", Clean).verify
        cleaned = work.passes.run(
            NORMALISE, lambda given: Folding(normalize(given, keep_dropout=keep)), graph, verify=verify
        )
        write(cleaned, work.folder / MODEL)
        before, after = len(graph.nodes), len(cleaned.nodes)
        return Outcome({"nodes_before": before, "nodes": after}, [f"{after} nodes, {before} before"])
