"""Removal of nodes that nothing reads."""

from __future__ import annotations

import onnx_graphsurgeon as gs


def drop_dead_nodes(graph: gs.Graph) -> None:
    """Remove nodes none of whose outputs is read or is a graph output, in place."""
    needed = {tensor.name for tensor in graph.outputs}
    kept: list[gs.Node] = []
    for node in reversed(graph.nodes):
        if any(tensor.name in needed for tensor in node.outputs):
            kept.append(node)
            needed.update(tensor.name for tensor in node.inputs)
            needed.update(_captured(node))
        else:
            node.inputs.clear()
            node.outputs.clear()
    graph.nodes = kept[::-1]


def _captured(node: gs.Node) -> set[str]:
    names: set[str] = set()
    for value in node.attrs.values():
        if isinstance(value, gs.Graph):
            for inner in value.nodes:
                names.update(tensor.name for tensor in inner.inputs)
                names |= _captured(inner)
            names.update(tensor.name for tensor in value.outputs)
    return names
