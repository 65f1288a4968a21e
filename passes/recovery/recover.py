"""Recovery front to back: each layer gives what it gave in the original, from what the pruned graph feeds it.

min over W', b' of sum ||y - (W' x + b')||^2 + r ||W' - W||^2 with x what the layer reads in the pruned graph whose
earlier layers are recovered already, and y its output in the original, less the channels that were removed. Where the
output goes only into a sum whose other operand is known, y is what that sum lacks: later layers make up for earlier
ones. (Least-squares reconstruction as in ThiNet, arXiv:1707.06342, and channel pruning, arXiv:1707.06168, here for
every layer of any graph, with ridge drawn to the sliced weight and error compensation across residual sums.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from compressor.graph_copy import copy_graph
from compressor.passes.analysis import Analysis
from compressor.passes.recovery.fit import WIDEST, Positions
from compressor.passes.recovery.outcome import Outcome
from compressor.passes.recovery.output_error import output_error
from compressor.passes.recovery.tasks import find_tasks
from compressor.passes.recovery.walk import OpenGraph, Values, Walk
from compressor.passes.recovery.waves import Waves, is_held
from compressor.passes.rewrite_rules import Removal

FEWEST_CHUNKS = 8
"""Fewer leave nothing to judge by."""


@dataclass(frozen=True)
class Recovery:
    """A recovered graph and what was done.

    Attributes:
        graph: a copy of the pruned graph with new values.
        outcomes: layer by layer, in the order of solving.
        skipped: output -> why a layer with changed input could not be solved for.
        output_before, output_after: error of the model's outputs on the samples held out, relative to their variance.
        seconds: spent.
    """

    graph: gs.Graph
    outcomes: list[Outcome]
    skipped: dict[str, str]
    output_before: float
    output_after: float
    seconds: float

    @property
    def kept(self) -> bool:
        """Were the outputs better after, so that the new values are in the graph?"""
        return self.output_after < self.output_before

    def to_json(self) -> dict[str, Any]:
        """The record, without the graph."""
        return {
            "layers": [outcome.to_json() for outcome in self.outcomes],
            "skipped": dict(self.skipped),
            "output_error_before": _number(self.output_before),
            "output_error_after": _number(self.output_after),
            "kept": self.kept,
            "seconds": round(self.seconds, 3),
        }


def recover(
    pruned: gs.Graph, analysis: Analysis, removal: Removal, chunks: Sequence[Values], open_graph: OpenGraph, *,
    seed: int = 0, budget_bytes: int = 1 << 30, widest: int = WIDEST,
    progress: Callable[[int, int], None] | None = None,
) -> Recovery:  # fmt: skip
    """Give the pruned graph weights that make up for what was removed.

    Args:
        pruned: what ``remove_atoms`` made of ``analysis.graph``; not changed.
        analysis: of the original.
        removal: what was removed.
        chunks: unlabelled samples as feeds of the model, at least 8 chunks; one in 8 is held out to judge by.
        open_graph: runs a graph.
        seed: decides which positions of the activations are looked at.
        budget_bytes: for activations kept between layers, of both graphs together.
        widest: longest row that is solved for as a whole; see ``fit``.
        progress: called with (layers done, of how many).
    """
    start = time.perf_counter()
    graph = copy_graph(pruned)
    tasks, skipped = find_tasks(graph, analysis, removal, widest)
    outcomes: list[Outcome] = []
    if tasks:
        walks = [Walk(part, open_graph, chunks, budget_bytes // 2) for part in (analysis.graph, graph)]
        fits = Waves(tasks, graph, removal, Positions(len(chunks), seed), widest)
        while fits.remaining:
            outcomes += fits.solve_next(walks[0], walks[1])
            if progress is not None:
                progress(len(outcomes), len(tasks))
    held = [chunk for number, chunk in enumerate(chunks) if is_held(number)]
    changed = any(outcome.method != "kept" for outcome in outcomes)
    before = output_error(analysis.graph, pruned, held, open_graph)
    after = output_error(analysis.graph, graph, held, open_graph) if changed else before
    better = after < before
    return Recovery(
        graph if better else copy_graph(pruned), outcomes, skipped, before, after, time.perf_counter() - start
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
