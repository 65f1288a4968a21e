"""The stage ``bench``: the original and the result, timed in turns."""

from __future__ import annotations

import json

from pydantic import Field

from compressor.backends.base import get_backend
from compressor.recipe.common import RecipeFile
from compressor.recipe.stage import STAGES, Flow, Outcome, Stage, Work, block_of
from compressor.settings import Part

BENCH = "bench.json"
ORIGINAL, RESULT = "original", "result"


class Bench(Part):
    """How the models are timed; see ``compressor bench --help``.

    Attributes:
        backend: runtime; ``compressor doctor`` lists them.
        threads: threads per operator.
        batch: size of a symbolic leading dimension.
        dim: sizes of other symbolic dimensions by name.
        processes: fresh processes to measure in.
        seconds: measured time that each model gets in total.
    """

    backend: str = Field(default="onnxruntime-cpu", min_length=1)
    threads: int = Field(default=1, gt=0, le=4096)
    batch: int = Field(default=1, gt=0)
    dim: dict[str, int] = Field(default_factory=dict)
    processes: int = Field(default=5, gt=0, le=1000)
    seconds: float = Field(default=2.0, gt=0, le=3600)


@STAGES.register("bench")
class BenchStage(Stage):
    """Ratio with interval and verdict; kept until a model, the settings or the machine change."""

    place, settings, measures, publishes = 90, Bench, True, (BENCH,)

    def check(self, recipe: RecipeFile) -> None:
        """See Stage."""
        get_backend(block_of(recipe, "bench", Bench).backend)

    def reads(self, recipe: RecipeFile, flow: Flow) -> tuple[str, ...]:
        """See Stage."""
        return (flow.original, flow.model)

    def run(self, work: Work) -> Outcome:
        """See Stage."""
        from compressor.benchmark import bench

        wish = block_of(work.recipe, "bench", Bench)
        result = bench(
            [work.files[work.flow.original], work.model], backend=wish.backend, threads=wish.threads, batch=wish.batch,
            dims=wish.dim, processes=wish.processes, min_time_s=wish.seconds, max_time_s=max(60.0, 20 * wish.seconds),
            seed=work.recipe.seed, progress=lambda done, total: work.progress("processes", done, total),
        )  # fmt: skip
        document = {"kind": "comparison", "version": 1, **result.to_json(samples=True)}
        (work.folder / BENCH).write_text(json.dumps(document, indent=1, allow_nan=False), encoding="utf-8")
        (label,) = result.ratios
        ratio = result.ratios[label]
        record = {"ratio": ratio.ratio, "low": ratio.low, "high": ratio.high, "verdict": result.verdicts[label],
                  "noise_floor": result.noise_floor}  # fmt: skip
        said = f"{ratio.ratio:.3f} of the original's time ({ratio.low:.3f} to {ratio.high:.3f}): {record['verdict']}"
        return Outcome({**record, "warnings": list(result.warnings)}, [said, *result.warnings])
