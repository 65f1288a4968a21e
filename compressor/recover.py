"""Recovery in the pipeline: calibration data or made-up inputs, ONNX Runtime, and a check of what came out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx_graphsurgeon as gs

from compressor.calibration import load_chunks, made_up_chunks
from compressor.errors import VerificationError
from compressor.passes.analysis import Analysis
from compressor.passes.labels import Labels
from compressor.passes.nested import all_nodes
from compressor.passes.recovery.recover import FEWEST_CHUNKS, recover
from compressor.passes.rewrite import removal_of
from compressor.proof import Progress
from compressor.tensor_values import peek
from compressor.verification import opened


@dataclass(frozen=True)
class Recovering:
    """What to recover with.

    Attributes:
        data: calibration data, unlabelled; see ``load_chunks``. None makes inputs up, which is weaker.
        samples: how many to look at.
        pixels: how pictures of a folder become numbers.
    """

    data: Any = None
    samples: int = 1024
    pixels: str = "unit"


@dataclass(frozen=True)
class Recovered:
    """What came of it.

    Attributes:
        graph: the pruned graph with new values.
        record: what was done, JSON-ready: error of every layer and of the outputs before and after, seconds.
    """

    graph: gs.Graph
    record: dict[str, Any]


def recover_graph(
    pruned: gs.Graph, analysis: Analysis, atoms: Labels, wish: Recovering, *, seed: int = 0,
    progress: Progress | None = None,
) -> Recovered:  # fmt: skip
    """Give a pruned graph weights that make up for what was removed, without training.

    Args:
        pruned: ``remove_atoms(analysis, atoms)``; not changed.
        analysis: of the original.
        atoms: that were removed.
        wish: with what data.
        seed: of samples and positions.
        progress: called with (stage, done, total).

    Raises:
        UsageError: the data does not fit the model, or is too little.
        VerificationError: more than stored values would change.
    """
    if wish.data is None:
        chunks = made_up_chunks(analysis.graph, samples=wish.samples, fewest_chunks=FEWEST_CHUNKS, seed=seed)
    else:
        chunks = load_chunks(
            wish.data, analysis.graph, samples=wish.samples, fewest_chunks=FEWEST_CHUNKS, pixels=wish.pixels, seed=seed
        )
    result = recover(
        pruned, analysis, removal_of(analysis, atoms), chunks, opened, seed=seed,
        progress=None if progress is None else lambda done, total: progress("recover", done, total),
    )  # fmt: skip
    check_same_but_for(pruned, result.graph, [outcome.layer for outcome in result.outcomes])
    record = {
        "data": str(wish.data) if isinstance(wish.data, str | Path) else None,
        "made_up_inputs": wish.data is None,
        "samples": sum(len(next(iter(chunk.values()))) for chunk in chunks) if chunks and chunks[0] else 0,
        **result.to_json(),
    }
    return Recovered(result.graph, record)


def check_same_but_for(pruned: gs.Graph, recovered: gs.Graph, solved: Sequence[str]) -> None:
    """Both graphs have the same nodes, inputs, outputs and stored values, but for the values of layers solved for.

    Args:
        pruned, recovered: before and after.
        solved: outputs of those layers (after the addition of a bias, where that is a node).

    Raises:
        VerificationError: something else differs.
    """
    sides = ("inputs", "outputs")
    ends = [[[tensor.name for tensor in getattr(part, side)] for side in sides] for part in (pruned, recovered)]
    one, other = list(all_nodes(pruned)), list(all_nodes(recovered))
    own = set(solved)
    for node in other:
        if node.op == "Add" and own & {tensor.name for tensor in node.outputs}:
            own |= {tensor.name for tensor in node.inputs}
    if ends[0] != ends[1] or len(one) != len(other):
        raise VerificationError("recovery changed inputs, outputs or nodes", fix="Please report the model.")
    for had, have in zip(one, other, strict=True):
        if not _same_node(had, have, bool(own & {tensor.name for tensor in had.outputs})):
            raise VerificationError(
                "recovery changed more than the values of solved layers", where=f"node {had.name!r} ({had.op})",
                fix="Please report the model.",
            )  # fmt: skip


def _same_node(one: gs.Node, other: gs.Node, solved: bool) -> bool:
    """The same op on the same activations, with stored inputs of the same types and shapes, or the very same."""
    computed = [[t.name for t in node.inputs if t.name and not isinstance(t, gs.Constant)] for node in (one, other)]
    results = [(node.op, node.name, [t.name for t in node.outputs]) for node in (one, other)]
    stored = [pair for pair in zip(one.inputs, other.inputs, strict=False) if isinstance(pair[0], gs.Constant)]
    alike = all(_same_kind(had, have) if solved else _same_values(had, have) for had, have in stored)
    longer = len(other.inputs) - len(one.inputs)
    return (
        alike and computed[0] == computed[1] and results[0] == results[1] and (longer == 0 or (solved and longer > 0))
    )


def _same_kind(had: gs.Constant, have: gs.Tensor) -> bool:
    """A bias of one number for all may have become one for each."""
    if not isinstance(have, gs.Constant) or have.dtype != had.dtype:
        return False
    return tuple(have.shape) == tuple(had.shape) or math.prod(had.shape) == 1


def _same_values(had: gs.Constant, have: gs.Tensor) -> bool:
    if not isinstance(have, gs.Constant) or have.name != had.name:
        return False
    return have._values is had._values or peek(have).tobytes() == peek(had).tobytes()
