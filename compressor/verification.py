"""Verification: the pruned model equals the masked original on several random inputs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from compressor.backends.base import Array, Session, get_backend
from compressor.backends.inputs import index_bounds, random_feeds
from compressor.errors import GraphError, VerificationError
from compressor.model_io import outline, to_proto, write
from compressor.passes.analysis import Analysis
from compressor.passes.labels import Labels
from compressor.passes.masking import mask_atoms
from compressor.passes.nested import all_nodes, stored_bytes
from compressor.passes.rewrite import removal_of
from compressor.rounding import rounding_floors

BACKEND = "onnxruntime-cpu"
# Relative to the largest output. Float32 sums in another order differ by about 1e-6 on the deepest
# networks tried; a wrong cut is off by 1e-2 or more.
TOLERANCES = {"float64": 1e-9, "float32": 1e-4, "float16": 2e-2, "bfloat16": 1e-1}
_INTEGER_TOLERANCE = 0.0
_MESSAGE_BYTES = 1_900_000_000  # a protobuf message holds 2 GiB


@dataclass(frozen=True)
class Verification:
    """Evidence of one verification.

    Attributes:
        inputs: how many random inputs were tried.
        sizes: the symbolic sizes they were tried at.
        max_error: largest |pruned - masked| relative to the largest |masked| of its output (``differences``).
        tolerance: what that was held against (the loosest of the outputs' types).
        seed: of the inputs.
    """

    inputs: int
    sizes: list[dict[str, int]]
    max_error: float
    tolerance: float
    seed: int

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


def verify_removal(
    analysis: Analysis,
    atoms: Labels,
    pruned: gs.Graph,
    *,
    inputs: int = 3,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Run both models on random inputs, at two sets of sizes when dimensions are symbolic.

    Args:
        analysis: of the original.
        atoms: what was removed: label ids, int64 [any number].
        pruned: the graph without them.
        inputs: how many to try, at least one of each size.
        seed: of the inputs.
        progress: called with (inputs tried, inputs).

    Raises:
        VerificationError: they differ; names the first tensor that does.
        GraphError: the original itself gives no finite output to compare.
    """
    masked = mask_atoms(analysis, atoms)
    sizes = [probe.sizes for probe in analysis.probes][: 2 if analysis.probes[0].sizes else 1]
    bounds = index_bounds(outline(analysis.graph)) if _has_integers(analysis.graph) else {}
    worst, loosest, rounds = 0.0, 0.0, max(inputs, len(sizes))
    with opened(masked) as left, opened(pruned) as right:
        for number in range(rounds):
            feeds = random_feeds(left.inputs, seed=seed + number, dims=sizes[number % len(sizes)], bounds=bounds)
            found = differences(analysis, masked, feeds, left.run(feeds), right.run(feeds))
            for name, (error, tolerance) in found.items():
                if error > tolerance:
                    raise _failure(analysis, atoms, pruned, feeds, name, error, tolerance)
                worst, loosest = max(worst, error), max(loosest, tolerance)
            if progress is not None:
                progress(number + 1, rounds)
    return Verification(rounds, sizes, worst, loosest, seed)


@contextmanager
def opened(graph: gs.Graph, extra_outputs: Sequence[str] = ()) -> Iterator[Session]:
    """A session of a graph; one too large for a message goes through a temporary file."""
    backend = get_backend(BACKEND)
    if stored_bytes(all_nodes(graph)) < _MESSAGE_BYTES:
        with backend.open(to_proto(graph), optimize=False, extra_outputs=extra_outputs) as session:
            yield session
        return
    with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
        path = Path(folder) / "model.onnx"
        write(graph, path)
        with backend.open(path, optimize=False, extra_outputs=extra_outputs) as session:
            yield session


def _has_integers(graph: gs.Graph) -> bool:
    return any(
        tensor.dtype is not None and np.issubdtype(np.dtype(tensor.dtype), np.integer) for tensor in graph.inputs
    )


def differences(
    analysis: Analysis, reference: gs.Graph, feeds: Mapping[str, Array], expected: Mapping[str, Array],
    actual: Mapping[str, Array],
) -> dict[str, tuple[float, float]]:  # fmt: skip
    """``difference`` by output of ``reference``, which gave ``expected``.

    Only where an output exceeds its tolerance is it asked how far rounding alone may move it (``rounding.py``):
    the largest magnitude then counts as at least what makes that floor the tolerance.
    """
    found = {name: difference(actual[name], value, name) for name, value in expected.items()}
    wrong = [name for name, (error, tolerance) in found.items() if tolerance and tolerance < error < float("inf")]
    if wrong:
        probe = analysis.probes[0]
        # What sizes are computed from is left alone: rounding does not touch whole numbers.
        dtypes = {name: dtype for name, dtype in probe.dtypes.items() if name not in probe.values}
        floors = rounding_floors(reference, dtypes, feeds, opened)
        found |= {name: difference(actual[name], expected[name], name, floors[name]) for name in wrong}
    return found


def difference(actual: Array, expected: Array, name: str, floor: float = 0.0) -> tuple[float, float]:
    """(error relative to the largest expected magnitude, tolerance of the type).

    A shape that differs is an infinite error. NaN and infinities must stand at the same places.

    Args:
        actual, expected: values of one output.
        name: of the output, for errors.
        floor: absolute difference that is within the tolerance in any case.
    """
    tolerance = TOLERANCES.get(str(expected.dtype), _INTEGER_TOLERANCE)
    if actual.shape != expected.shape:
        return float("inf"), tolerance
    if not tolerance:
        return float(not np.array_equal(actual, expected)), tolerance
    a, b = actual.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return float("inf"), tolerance
    if b.size and not finite.any():
        raise GraphError(
            "the original gives no finite value here on random inputs, so nothing can be proven",
            where=f"output {name!r}",
            fix="Check the weights for overflow, or pass --no-verify.",
        )
    if not finite.any():
        return 0.0, tolerance
    scale = max(float(np.abs(b[finite]).max()), floor / tolerance) or 1.0
    return float(np.abs(a[finite] - b[finite]).max()) / scale, tolerance


def _failure(
    analysis: Analysis, atoms: Labels, pruned: gs.Graph, feeds: Mapping[str, Array], output: str, error: float,
    tolerance: float,
) -> VerificationError:  # fmt: skip
    first = first_difference(analysis, atoms, pruned, feeds)
    return VerificationError(
        f"the pruned model differs from the masked original by {error:.2g} of the output (tolerance {tolerance:g});"
        f" the first tensor that differs is {first or output!r}",
        where=f"output {output!r}",
        fix="Nothing was written; please report the model.",
    )


def first_difference(analysis: Analysis, atoms: Labels, pruned: gs.Graph, feeds: Mapping[str, Array]) -> str | None:
    """The first tensor, in the order of the graph, whose kept part differs between the two models."""
    here = {tensor.name for node in pruned.nodes for tensor in node.outputs}
    names = [tensor.name for node in analysis.graph.nodes for tensor in node.outputs if tensor.name in here]
    outputs = {tensor.name for tensor in analysis.graph.outputs}
    inner = [name for name in names if name and name not in outputs and name in analysis.probes[0].shapes]
    expected = _run_all(mask_atoms(analysis, atoms), inner, feeds)
    actual = _run_all(pruned, inner, feeds)
    removal = removal_of(analysis, atoms)
    for name in names:
        if name not in expected or name not in actual:
            continue
        value = expected[name]
        for axis, keep in enumerate(removal.tensor_masks(name)):
            if keep is not None and keep.size == value.shape[axis]:
                value = np.compress(keep, value, axis=axis)
        error, tolerance = _quiet_difference(actual[name], value, name)
        if error > tolerance:
            return str(name)
    return None


def _quiet_difference(actual: Array, expected: Array, name: str) -> tuple[float, float]:
    try:
        return difference(actual, expected, name)
    except GraphError:  # an inner mask of infinities proves nothing either way
        return 0.0, 0.0


def _run_all(graph: gs.Graph, inner: Sequence[str], feeds: Mapping[str, Array]) -> dict[str, Array]:
    with opened(graph, inner) as session:
        return session.run(feeds)
