"""Graphs inside nodes: the bodies of If, Loop and Scan, numbered together with the main graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import onnx_graphsurgeon as gs

from compressor.graph_copy import subgraphs_of


def all_nodes(graph: gs.Graph) -> Iterator[gs.Node]:
    """Every node, a node before those of its bodies. The place in this order is the node's number."""
    for node in graph.nodes:
        yield node
        for body in subgraphs_of(node):
            yield from all_nodes(body)


def all_graphs(graph: gs.Graph) -> Iterator[gs.Graph]:
    """The graph and all bodies inside it."""
    yield graph
    for node in graph.nodes:
        for body in subgraphs_of(node):
            yield from all_graphs(body)


def splice(
    graph: gs.Graph,
    before: Mapping[int, Iterable[gs.Node]],
    after: Mapping[int, Iterable[gs.Node]],
    number: Callable[[gs.Node], int],
) -> None:
    """Put new nodes around numbered ones, in whichever graph those stand; in place."""
    for part in list(all_graphs(graph)):
        nodes: list[gs.Node] = []
        for node in part.nodes:
            nodes += [*before.get(number(node), ()), node, *after.get(number(node), ())]
        part.nodes = nodes


def tensor_names(graph: gs.Graph) -> set[str]:
    """Names of all tensors, those inside bodies included."""
    names = {tensor.name for part in all_graphs(graph) for tensor in (*part.inputs, *part.outputs)}
    for node in all_nodes(graph):
        names.update(tensor.name for tensor in (*node.inputs, *node.outputs))
    return names


def stored_bytes(nodes: Iterable[gs.Node]) -> int:
    """Bytes of the initializers that nodes read, each counted once; no value is loaded."""
    found = {t.name: t for node in nodes for t in node.inputs if isinstance(t, gs.Constant)}
    return sum(math.prod(t.shape) * np.dtype(t.dtype).itemsize for t in found.values())
