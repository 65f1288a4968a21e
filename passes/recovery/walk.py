"""Activations of a graph, front to back, for all samples: each node runs once where memory allows.

A ``Walk`` keeps, for every chunk of samples, the tensors that the nodes still to come need (the frontier). Asking for
tensors further on runs only the nodes in between. A frontier that would not fit the budget is not kept: the walk
then starts again from the last one that did, so that memory stays bounded and only time is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, TypeAlias

import onnx_graphsurgeon as gs

from compressor.graph_copy import subgraphs_of
from compressor.passes.nested import all_nodes
from compressor.passes.shape_values import Array

Values: TypeAlias = dict[str, Array]


class Runner(Protocol):
    """An opened graph."""

    def run(self, feeds: Mapping[str, Array]) -> Values:
        """Outputs by name."""


OpenGraph: TypeAlias = Callable[[gs.Graph, Sequence[str]], AbstractContextManager[Runner]]
"""``open_graph(graph, names)``: the graph, ready to run, with the inner tensors ``names`` as further outputs."""


class Walk:
    """One graph on its way through the samples.

    Args:
        graph: weights of nodes that have not run yet may change between two calls of ``stream``.
        open_graph: what runs it.
        chunks: feeds of the graph, one dict for each chunk of samples.
        budget_bytes: what the kept frontier may take.
    """

    def __init__(self, graph: gs.Graph, open_graph: OpenGraph, chunks: Sequence[Values], budget_bytes: int) -> None:
        self._graph, self._open, self._budget = graph, open_graph, budget_bytes
        self._kept = [dict(chunk) for chunk in chunks]
        self._done: set[int] = set()
        self._reads = [_reads(node) for node in graph.nodes]
        self._maker = {t.name: i for i, node in enumerate(graph.nodes) for t in node.outputs if t.name}

    def stream(self, wanted: Collection[str]) -> Generator[Values, None, None]:
        """The tensors ``wanted`` of every chunk, in order; the frontier moves up to them."""
        self._done |= self._ancestors(wanted, stop=frozenset())
        frontier = self._frontier()
        segment = self._segment({*wanted, *frontier})
        if segment is None:
            yield from ({name: chunk[name] for name in wanted} for chunk in self._kept)
            return
        graph, outputs = segment
        moves = all(_is_tensor(self._graph, self._maker, name) for name in frontier)
        spent = 0
        fresh: list[Values] = []
        with self._open(graph, outputs) as session:
            for chunk in self._kept:
                found = {**chunk, **session.run({tensor.name: chunk[tensor.name] for tensor in graph.inputs})}
                if moves:
                    fresh.append({name: found[name] for name in frontier})
                    spent += sum(value.nbytes for value in fresh[-1].values())
                    if spent * len(self._kept) > self._budget * len(fresh):  # what it will come to
                        moves = False
                        fresh.clear()
                yield {name: found[name] for name in wanted}
        if moves:
            self._kept = fresh

    def _ancestors(self, names: Collection[str], stop: Collection[str]) -> set[int]:
        """Numbers of the nodes that these tensors need, not looking behind those in ``stop``."""
        found: set[int] = set()
        waiting = [name for name in names if name not in stop]
        while waiting:
            number = self._maker.get(waiting.pop())
            if number is not None and number not in found:
                found.add(number)
                waiting += [name for name in self._reads[number] if name not in stop]
        return found

    def _frontier(self) -> set[str]:
        """What the nodes still to come read of what is there by now."""
        there = {tensor.name for tensor in self._graph.inputs}
        there |= {t.name for number in self._done for t in self._graph.nodes[number].outputs if t.name}
        return {
            name
            for number, reads in enumerate(self._reads)
            if number not in self._done
            for name in reads
            if name in there
        }

    def _segment(self, names: set[str]) -> tuple[gs.Graph, list[str]] | None:
        """The graph from what is kept to ``names``, and which of them it computes; None where nothing is missing."""
        kept = self._kept[0]
        numbers = sorted(self._ancestors(names, stop=kept.keys()))
        if not numbers:
            return None
        nodes = [self._graph.nodes[number] for number in numbers]
        feeds = dict.fromkeys(name for number in numbers for name in self._reads[number] if name in kept)
        made = {tensor.name for node in nodes for tensor in node.outputs}
        return part_of(self._graph, nodes, {name: kept[name] for name in feeds}), sorted(names & made)


def part_of(graph: gs.Graph, nodes: Sequence[gs.Node], feeds: Mapping[str, Array]) -> gs.Graph:
    """A graph of some nodes, which are shared with ``graph``, that reads tensors like ``feeds``."""
    inputs = [gs.Variable(name, dtype=value.dtype, shape=[None] * value.ndim) for name, value in feeds.items()]
    return gs.Graph(
        nodes=list(nodes),
        inputs=inputs,
        outputs=[],
        name="part",
        opset=graph.opset,
        import_domains=list(graph.import_domains or []),
        functions=graph.functions,
        ir_version=graph.ir_version,
    )


def _reads(node: gs.Node) -> list[str]:
    """Names of the activations that a node and its bodies read."""
    inner = [part for body in subgraphs_of(node) for part in all_nodes(body)]
    tensors = [tensor for part in (node, *inner) for tensor in part.inputs]
    for part in (node, *inner):
        tensors += [tensor for body in subgraphs_of(part) for tensor in body.outputs]
    own = {tensor.name for part in inner for tensor in part.outputs}
    for part in (node, *inner):
        own |= {tensor.name for body in subgraphs_of(part) for tensor in body.inputs}
    names = (tensor.name for tensor in tensors if not isinstance(tensor, gs.Constant))
    return [name for name in dict.fromkeys(names) if name and name not in own]


def _is_tensor(graph: gs.Graph, maker: Mapping[str, int], name: str) -> bool:
    """Sequences and optional values are not kept."""
    if name not in maker:
        return True
    tensor = next(tensor for tensor in graph.nodes[maker[name]].outputs if tensor.name == name)
    return tensor.type in (None, "tensor_type")
