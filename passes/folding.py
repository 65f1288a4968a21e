"""What passes that fold have in common: what came of them, and how often a tensor is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from compressor.errors import CompressorError
from compressor.passes.nested import all_graphs

STANDARD = (None, "", "ai.onnx")
FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})


class NotFoldedError(CompressorError):
    """A node stays; says why. Caught by the pass, never shown as an error."""


@dataclass(frozen=True)
class Folding:
    """A graph with less to compute.

    Attributes:
        graph: the result; the graph that was given where nothing could be folded.
        folded: nodes that are gone.
        left: nodes that stay although their kind is folded -> why.
    """

    graph: gs.Graph
    folded: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The fields, less the graph, as JSON-ready values."""
        return {"folded": self.folded, "left": self.left}


def reads(graph: gs.Graph) -> Counter[str]:
    """How often each tensor is read, bodies included; being an output of a graph is being read."""
    found: Counter[str] = Counter()
    for part in all_graphs(graph):
        found.update(tensor.name for tensor in part.outputs)
        for node in part.nodes:
            found.update(tensor.name for tensor in node.inputs if tensor.name)
    return found


def is_floating(dtype: Any) -> bool:
    """Is it a type of floating-point numbers that values can be computed in?"""
    return dtype is not None and np.dtype(dtype).name in FLOATS
