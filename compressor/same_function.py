"""Two graphs of the same interface compute the same function, as far as random inputs tell."""

from __future__ import annotations

from collections.abc import Callable

import onnx_graphsurgeon as gs

from compressor.backends.inputs import index_bounds, random_feeds
from compressor.errors import VerificationError
from compressor.model_io import outline
from compressor.passes.analysis import Analysis
from compressor.verification import Verification, differences, opened


def prove_same(
    analysis: Analysis, before: gs.Graph, *, what: str, inputs: int = 2, seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:  # fmt: skip
    """Run both on random inputs, with two of them at two sets of sizes where dimensions are symbolic.

    Args:
        analysis: of the result of ``what``.
        before: the graph that it was made of.
        what: for messages: "pass fold-batchnorm".
        inputs: how many random inputs to try.
        seed: of them.
        progress: told (done, total).

    Raises:
        VerificationError: outputs differ by more than rounding explains, or the interfaces differ.
        GraphError: the graph gives no finite output to compare.
    """
    graph = analysis.graph
    sizes = [probe.sizes for probe in analysis.probes][: 2 if analysis.probes[0].sizes else 1]
    bounds = index_bounds(outline(graph))
    worst, loosest = 0.0, 0.0
    with opened(before) as left, opened(graph) as right:
        if (left.inputs, left.output_names) != (right.inputs, right.output_names):
            raise VerificationError(f"{what} changed inputs or outputs", fix="Please report the model.")
        for number in range(inputs):
            feeds = random_feeds(left.inputs, seed=seed + number, dims=sizes[number % len(sizes)], bounds=bounds)
            found = differences(analysis, graph, feeds, left.run(feeds), right.run(feeds))
            for name, (error, tolerance) in found.items():
                if error > tolerance:
                    raise VerificationError(
                        f"{what} changed the function by {error:.2g} of the output (tolerance {tolerance:g})",
                        where=f"output {name!r}", fix="Nothing was written; please report the model.",
                    )  # fmt: skip
                worst, loosest = max(worst, error), max(loosest, tolerance)
            if progress is not None:
                progress(number + 1, inputs)
    return Verification(inputs, sizes[:inputs], worst, loosest, seed)
