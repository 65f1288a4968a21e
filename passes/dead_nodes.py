"""Removal of nodes that nothing reads."""

from __future__ import annotations

import onnx_graphsurgeon as gs

from compressor.graph_copy import subgraphs_of
from compressor.graph_edit import detach


def drop_dead_nodes(graph: gs.Graph) -> None:
    """Remove nodes none of whose outputs is read or is an output of its graph, in place, bodies included."""
    _drop(graph)


def _drop(graph: gs.Graph) -> set[str]:
    """Returns every name that what stays reads."""
    needed = {tensor.name for tensor in graph.outputs}
    kept: list[gs.Node] = []
    for node in reversed(graph.nodes):
        if any(tensor.name in needed for tensor in node.outputs):
            kept.append(node)
            needed.update(tensor.name for tensor in node.inputs)
            for body in subgraphs_of(node):
                needed |= _drop(body)
        else:
            detach(node)
    graph.nodes = kept[::-1]
    return needed
