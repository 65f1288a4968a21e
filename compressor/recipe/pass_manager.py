"""Rewriting passes one by one, in the manner of MLIR: timed, held against what came in, and dumped where asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, field
from typing import Any

import onnx_graphsurgeon as gs

from compressor.passes.analysis import analyse
from compressor.passes.folding import Folding
from compressor.peak_memory import PeakMemory
from compressor.proof import Progress
from compressor.same_function import prove_same

Rewrite = Callable[[gs.Graph], Folding]
Dump = Callable[[str, gs.Graph], None]


@dataclass(frozen=True)
class PassRecord:
    """What a pass did.

    Attributes:
        name: of the pass.
        changed: whether it changed anything.
        nodes: of the graph after it.
        max_error: by how much the graph's answers moved, relative to the largest; None where nothing was compared.
        seconds: of the pass, and of the comparison.
        peak_bytes: largest resident memory while it ran and was compared.
        detail: its own record.
    """

    name: str
    changed: bool
    nodes: int
    max_error: float | None
    seconds: float
    verify_seconds: float
    peak_bytes: int
    detail: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


@dataclass
class PassManager:
    """Runs passes and remembers what they did.

    Attributes:
        seed: of the inputs that graphs are compared on.
        progress: called with (what, done, total).
        dump: what to do with the graph after a pass that is in ``dumped``.
        records: of the passes so far.
    """

    seed: int
    progress: Progress
    dump: Dump
    dumped: Collection[str] = ()
    records: list[PassRecord] = field(default_factory=list)

    def run(self, name: str, rewrite: Rewrite, graph: gs.Graph, *, verify: bool = True) -> gs.Graph:
        """Carry out one pass.

        Args:
            name: of the pass.
            rewrite: the pass; it gives the graph itself where nothing changes.
            graph: what goes in; not changed.
            verify: whether the result is held against ``graph``.

        Raises:
            VerificationError: the pass changed what the graph computes.
        """
        with PeakMemory() as peak:
            start = time.perf_counter()
            folding = rewrite(graph)
            spent = time.perf_counter() - start
            changed, error = folding.graph is not graph, None
            if changed and verify:
                proof = prove_same(
                    analyse(folding.graph), graph, what=f"pass {name}", seed=self.seed,
                    progress=lambda done, total: self.progress(f"verify {name}", done, total),
                )  # fmt: skip
                error = proof.max_error
            compared = time.perf_counter() - start - spent
        detail = folding.to_json()
        self.records.append(
            PassRecord(name, changed, len(folding.graph.nodes), error, spent, compared, peak.bytes, detail)
        )
        if name in self.dumped:
            self.dump(name, folding.graph)
        return folding.graph
