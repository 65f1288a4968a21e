"""ONNX graph -> OnnxModule, node by node."""

from __future__ import annotations

import os

import onnx
import onnx_graphsurgeon as gs

from compressor import model_io
from compressor.bridge.graph_builder import GraphBuilder
from compressor.bridge.lowering import LOWERINGS, LoweringError, lowering_name
from compressor.bridge.onnx_module import OnnxModule
from compressor.bridge.unshare import unshare
from compressor.graph_copy import subgraphs_of
from compressor.normalize import normalize


def from_onnx(source: str | os.PathLike[str] | onnx.ModelProto | gs.Graph) -> OnnxModule:
    """The graph as a torch module, in evaluation mode, on the CPU, in the file's own number types.

    Parameters and buffers are named like the initializers, and hold copies of their values. Initializers that are
    shared only because they are equal (``unshare``) become one parameter for each use.

    Args:
        source: a file, a model in memory, or a graph as ``model_io.read`` gives it; not changed.

    Raises:
        EnvironmentProblem: PyTorch is not installed.
        ModelFileError: the file cannot be read.
        LoweringError: an op of the graph has no lowering, or is used in a way that has none.
    """
    if isinstance(source, onnx.ModelProto):
        graph = model_io.from_proto(source)
    elif isinstance(source, gs.Graph):
        graph = source
    else:
        graph = model_io.read(source)
    graph = normalize(graph, keep_dropout=True)
    copies = unshare(graph)
    _check_ops(graph)
    builder = GraphBuilder(graph)
    outputs = builder.walk()
    module = OnnxModule(builder.state.root, builder.finish(outputs))
    module.describe(builder.state.report(copies), [t.name for t in graph.inputs], [t.name for t in graph.outputs])
    return module.eval()


def _check_ops(graph: gs.Graph) -> None:
    """Refuse before any work, and name every op that is missing."""
    missing: dict[str, str] = {}

    def look(part: gs.Graph) -> None:
        for node in part.nodes:
            if LOWERINGS.find(lowering_name(node)) is None:
                missing.setdefault(lowering_name(node), node.name)
            for body in subgraphs_of(node):
                look(body)

    look(graph)
    if missing:
        listed = ", ".join(f"{op} (node {name!r})" for op, name in sorted(missing.items()))
        raise LoweringError(
            f"no lowering to PyTorch for: {listed}", where=graph.name,
            fix="Add one in compressor/bridge/ops, or fine-tune the model before these ops enter it.",
        )  # fmt: skip
