"""The stage ``fold``: batch norms into the layers before them, constants into initializers."""

from __future__ import annotations

from compressor.model_io import read, write
from compressor.normalize import normalize
from compressor.passes.fold_batchnorm import fold_batchnorms
from compressor.passes.fold_constants import fold_constants
from compressor.recipe.common import RecipeFile
from compressor.recipe.stage import MODEL, STAGES, Flow, ModelStage, Outcome, Work, block_of
from compressor.settings import Part

PASSES = {"fold-batchnorm": fold_batchnorms, "fold-constants": fold_constants}


class Fold(Part):
    """What cannot be shown to compute the same is left.

    Attributes:
        batchnorm: fold batch norms.
        constants: evaluate what is the same at every run.
        verify: hold the graph after each pass against the one before.
    """

    batchnorm: bool = True
    constants: bool = True
    verify: bool = True


@STAGES.register("fold")
class FoldStage(ModelStage):
    """Each pass is exact but for one rounding of each weight."""

    place, settings, passes = 70, Fold, tuple(PASSES)

    def reads(self, recipe: RecipeFile, flow: Flow) -> tuple[str, ...]:
        """See Stage."""
        return (flow.model,)

    def run(self, work: Work) -> Outcome:
        """See Stage."""
        wish = block_of(work.recipe, "fold", Fold)
        graph = normalize(read(work.model))
        wanted = {"fold-batchnorm": wish.batchnorm, "fold-constants": wish.constants}
        for name, rewrite in PASSES.items():
            if wanted[name]:
                graph = work.passes.run(name, rewrite, graph, verify=wish.verify)
        write(graph, work.folder / MODEL)
        lines = [
            f"{one.name}: {len(one.detail['folded'])} folded, {len(one.detail['left'])} left"
            for one in work.passes.records
        ]
        return Outcome({"nodes": len(graph.nodes)}, lines)
