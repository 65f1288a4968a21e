"""Copies of a gs.Graph that share its weights: whole, or with tensors replaced and nodes left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import onnx_graphsurgeon as gs

from compressor import graph_extras
from compressor.graph_import import EmptyList


def copy_graph(graph: Any) -> Any:
    """A graph that may be changed without changing `graph`. Weights are shared (they are read-only arrays).

    gs.Graph.copy drops what compressor.graph_extras keeps, and takes seconds on big graphs.
    """
    return GraphCopier().copy(graph)


def subgraphs_of(node: Any) -> Iterator[Any]:
    """The gs.Graphs among a node's attributes, those in lists included (gs.Node.subgraphs misses them)."""
    for value in node.attrs.values():
        if isinstance(value, gs.Graph):
            yield value
        elif isinstance(value, list) and value and isinstance(value[0], gs.Graph):
            yield from value


class GraphCopier:
    """Copies a graph and its subgraphs.

    Attributes:
        replaced: id of a tensor -> the tensor that stands for it in the copy, inputs and outputs alike.
        constants: id of a tensor -> the lazy values that make it an initializer in the copy.
    """

    def __init__(self) -> None:
        self.replaced: dict[int, Any] = {}
        self.constants: dict[int, Any] = {}
        self._copies: dict[int, Any] = {}

    def resolve(self, tensor: Any) -> Any:
        """The tensor that stands for `tensor` in the copy."""
        while id(tensor) in self.replaced:
            tensor = self.replaced[id(tensor)]
        return tensor

    def nodes_of(self, graph: Any) -> Iterable[Any]:
        """The nodes of `graph` that the copy has, in order."""
        return graph.nodes  # type: ignore[no-any-return]

    def copy(self, graph: Any) -> Any:
        """The copy of a main graph or subgraph; enclosing graphs' tensors become their copies."""
        copied = gs.Graph(
            nodes=[self._copy_node(node) for node in self.nodes_of(graph)],
            inputs=[self._copy_tensor(tensor) for tensor in graph.inputs],
            outputs=[self._copy_tensor(tensor) for tensor in graph.outputs],
            name=graph.name,
            doc_string=graph.doc_string,
            opset=graph.opset,
            import_domains=list(graph.import_domains or []),
            producer_name=graph.producer_name,
            producer_version=graph.producer_version,
            functions=graph.functions,
            ir_version=graph.ir_version,
        )
        extras = graph_extras.of(graph)
        if extras is not None:
            graph_extras.attach(copied, dataclasses.replace(extras))
        return copied

    def _copy_node(self, node: Any) -> Any:
        copied = gs.Node(
            node.op,
            node.name,
            {name: self._copy_attribute(value) for name, value in node.attrs.items()},
            [self._copy_tensor(tensor) for tensor in node.inputs],
            [self._copy_tensor(tensor) for tensor in node.outputs],
            node.domain,
        )
        extras = graph_extras.of(node)
        if extras is not None:
            graph_extras.attach(copied, extras)
        return copied

    def _copy_attribute(self, value: Any) -> Any:
        if isinstance(value, gs.Graph):
            return self.copy(value)
        if isinstance(value, list) and not isinstance(value, EmptyList):
            return [self._copy_attribute(item) for item in value]
        if isinstance(value, gs.Constant):
            return self._copy_tensor(value)
        return value

    def _copy_tensor(self, tensor: Any) -> Any:
        tensor = self.resolve(tensor)
        copied = self._copies.get(id(tensor))
        if copied is not None:
            return copied
        values = self.constants.get(id(tensor))
        if values is None and isinstance(tensor, gs.Constant):
            values = tensor._values
        if values is not None:
            copied = gs.Constant(tensor.name, values)
        else:
            shape = None if tensor.shape is None else list(tensor.shape)
            copied = gs.Variable(tensor.name, tensor.dtype, shape, tensor.type)
        extras = graph_extras.of(tensor)
        if extras is not None:
            graph_extras.attach(copied, extras)
        if tensor.name:
            self._copies[id(tensor)] = copied
        return copied
