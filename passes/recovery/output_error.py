"""How far the outputs of a graph are from those of its original."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import onnx_graphsurgeon as gs

from compressor.passes.recovery.walk import OpenGraph, Values


def output_error(original: gs.Graph, other: gs.Graph, chunks: Sequence[Values], open_graph: OpenGraph) -> float:
    """``error_between`` the outputs of two graphs."""
    with open_graph(original, []) as left, open_graph(other, []) as right:
        return error_between((left.run(chunk), right.run(chunk)) for chunk in chunks)


def error_between(pairs: Iterable[tuple[Values, Values]]) -> float:
    """Mean squared error over variance, averaged over the floating-point outputs; infinite where not all is finite.

    Args:
        pairs: (wanted, found) outputs by name, of one chunk of samples after the other.
    """
    sums: dict[str, list[float]] = {}
    for want, have in pairs:
        for name, value in want.items():
            if np.issubdtype(value.dtype, np.integer) or value.dtype == np.bool_ or value.shape != have[name].shape:
                continue
            target = value.astype(np.float64)
            miss = float(np.square(target - have[name].astype(np.float64)).sum())
            fresh = [miss, float(np.square(target).sum()), float(target.sum()), float(target.size)]
            sums[name] = [a + b for a, b in zip(sums.get(name, [0.0] * 4), fresh, strict=True)]
    errors = [miss / ((square - total * total / count) or 1.0) for miss, square, total, count in sums.values() if count]
    found = float(np.mean(errors)) if errors else 0.0
    return found if np.isfinite(found) else float("inf")
