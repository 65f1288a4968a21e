"""The proof of a cut: pruned equals masked, for what the pipeline made and for files that come back later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import onnx_graphsurgeon as gs

from compressor.errors import UsageError, VerificationError
from compressor.loaded import Loaded, load_model
from compressor.model_io import read
from compressor.normalize import normalize
from compressor.passes.analysis import Analysis
from compressor.passes.apply_plan import realise
from compressor.passes.labels import Labels
from compressor.passes.plan import read_plan
from compressor.same_function import prove_same
from compressor.targets import PathLike
from compressor.verification import Verification, verify_removal

Progress: TypeAlias = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """No progress shown."""


def verify_files(
    original: PathLike, pruned: PathLike, plan_path: PathLike, *, inputs: int = 3, seed: int = 0,
    progress: Progress = silent,
) -> Verification:  # fmt: skip
    """Prove that a pruned file is its original less what the plan removes.

    Args:
        original: the model before pruning.
        pruned: the model after it; ``verify_structure`` is for one that was recovered or trained since.
        plan_path: the plan that ``compress`` saved.
        inputs: random inputs to try.
        seed: of them.
        progress: called with (stage, done, total).

    Raises:
        VerificationError: it is not; names the first tensor that differs.
        PlanError: the plan was made for another graph.
        UsageError: the files have other inputs or outputs.
    """
    plan = read_plan(Path(plan_path))
    loaded = load_model(original)
    analysis, atoms = realise(plan, loaded.analysis, loaded.digest)
    candidate = normalize(read(pruned))
    same_interface(analysis.graph, candidate, Path(pruned))
    try:
        return prove(loaded, analysis, atoms, candidate, inputs, seed, progress)
    except VerificationError as error:
        fix = "If it was recovered or fine-tuned, --trained compares all but its values; else it is another file."
        raise VerificationError(error.what, where=error.where, fix=fix) from error


def prove(
    loaded: Loaded, analysis: Analysis, atoms: Labels, pruned: gs.Graph, inputs: int, seed: int, progress: Progress
) -> Verification:
    """Pruned equals masked; where shuffles were folded or groups aligned first, that this changed nothing as well."""
    if analysis.graph is not loaded.original:
        prove_same(analysis, loaded.original, what="folding shuffles or aligning groups", inputs=1, seed=seed)
    return verify_removal(
        analysis, atoms, pruned, inputs=inputs, seed=seed, progress=lambda d, t: progress("verify", d, t)
    )


def same_interface(original: gs.Graph, pruned: gs.Graph, path: Path) -> None:
    """Both have the same inputs and outputs.

    Raises:
        UsageError: they have not.
    """
    for side in ("inputs", "outputs"):
        want = [(t.name, t.dtype) for t in getattr(original, side)]
        have = [(t.name, t.dtype) for t in getattr(pruned, side)]
        if want != have:
            raise UsageError(
                f"its {side} are {[n for n, _ in have]}, the original's {[n for n, _ in want]}", where=str(path),
                fix="Compare a model with its own pruned version.",
            )  # fmt: skip
