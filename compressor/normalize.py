"""One form for all exporters: no Constant, Identity or idle Dropout nodes, no functions, nothing dead.

Names of nodes, initializers, inputs and outputs stay, and no weight is read or copied.
"""

from __future__ import annotations

from typing import Any

import onnx_graphsurgeon as gs
from onnx_graphsurgeon.ir.tensor import LazyValues

from compressor import graph_extras
from compressor.constant_nodes import constant_values
from compressor.graph_copy import GraphCopier, subgraphs_of
from compressor.inline_functions import inline_functions

_FIRST_IR_WITH_PLAIN_INITIALIZERS = 4
_STANDARD = (None, "", "ai.onnx")


def normalize(graph: Any, *, keep_dropout: bool = False) -> Any:
    """A new graph that computes the same; `graph` is not changed.

    - Constant nodes become initializers named like their output.
    - Identity, and Dropout that does nothing at inference, go. They stay where they alone connect an input,
      an initializer or another output to an output.
    - Local functions are inlined. Nodes, and initializers, that no output needs are dropped.
    - Initializers that are also listed as inputs, as IR versions before 4 demand, are just initializers:
      callers can no longer override them, and the IR version becomes at least 4.

    Args:
        graph: any graph.
        keep_dropout: leave Dropout nodes that are idle at inference, for training.

    Raises:
        GraphError: a Constant node is sparse or malformed, or a local function cannot be inlined.
    """
    simplified = _Normalizer(keep_dropout).copy(inline_functions(graph))
    for node in simplified.nodes:
        if node.domain == "ai.onnx":
            node.domain = None
    extras = graph_extras.of(simplified)
    if extras is not None and extras.listed_initializers:
        extras.listed_initializers, extras.input_order = {}, {}
        simplified.ir_version = max(simplified.ir_version or 0, _FIRST_IR_WITH_PLAIN_INITIALIZERS)
    return simplified


class _Normalizer(GraphCopier):
    """A copier that leaves nodes out."""

    def __init__(self, keep_dropout: bool = False) -> None:
        super().__init__()
        self._keep_dropout = keep_dropout
        self._kept: dict[int, list[Any]] = {}  # id of a graph -> its nodes that stay
        self._outputs: set[int] = set()  # ids of the outputs of the graph and its subgraphs

    def nodes_of(self, graph: Any) -> list[Any]:
        if id(graph) not in self._kept:
            self._note_outputs(graph)
            self._simplify(graph)
            self._find_needed(graph)
        return self._kept[id(graph)]

    def _note_outputs(self, graph: Any) -> None:
        self._outputs.update(id(tensor) for tensor in graph.outputs)
        for node in graph.nodes:
            for subgraph in subgraphs_of(node):
                self._note_outputs(subgraph)

    def _simplify(self, graph: Any) -> None:
        """Decide about every Constant, Identity and Dropout of `graph` and its subgraphs."""
        claimed = {id(tensor) for tensor in (*graph.inputs, *graph.outputs)}
        produced: set[int] = set()
        kept = []
        for node in graph.nodes:
            if node.domain in _STANDARD and self._goes(node, claimed, produced):
                continue
            kept.append(node)
            produced.update(id(tensor) for tensor in node.outputs)
            for subgraph in subgraphs_of(node):
                self._simplify(subgraph)
        self._kept[id(graph)] = kept

    def _goes(self, node: Any, claimed: set[int], produced: set[int]) -> bool:
        if node.op == "Constant":
            output = node.outputs[0]
            if id(output) in claimed:
                return False
            self.constants[id(output)] = constant_values(node)
            return True
        if node.op == "Identity" or (node.op == "Dropout" and not self._keep_dropout and self._is_idle(node)):
            return self._bypass(node.inputs[0], node.outputs[0], claimed, produced)
        return False

    def _is_idle(self, node: Any) -> bool:
        """Does this Dropout pass its input through, with nobody looking at the mask?"""
        if len(node.outputs) > 1 and (node.outputs[1].outputs or id(node.outputs[1]) in self._outputs):
            return False
        mode = self.resolve(node.inputs[2]) if len(node.inputs) > 2 else None
        if mode is None or mode.is_empty():
            return True
        values = self.constants.get(id(mode))
        if values is not None:
            return not bool(values.load() if isinstance(values, LazyValues) else values)
        return isinstance(mode, gs.Constant) and not bool(mode.values)

    def _bypass(self, source: Any, result: Any, claimed: set[int], produced: set[int]) -> bool:
        source = self.resolve(source)
        if id(result) not in claimed:
            self.replaced[id(result)] = source
            return True
        if id(source) in produced and id(source) not in claimed:
            self.replaced[id(source)] = result  # its producer writes the output directly
            produced.add(id(result))
            return True
        return False

    def _find_needed(self, graph: Any) -> list[Any]:
        """Keep the nodes of `graph` that its outputs need; the tensors they and its outputs read."""
        nodes = self._kept[id(graph)]
        producer = {id(self.resolve(tensor)): i for i, node in enumerate(nodes) for tensor in node.outputs}
        wanted = [self.resolve(tensor) for tensor in graph.outputs]
        needed = bytearray(len(nodes))
        read = []
        while wanted:
            tensor = wanted.pop()
            read.append(tensor)
            index = producer.get(id(tensor))
            if index is None or needed[index]:
                continue
            needed[index] = True
            wanted += [self.resolve(item) for item in nodes[index].inputs]
            for subgraph in subgraphs_of(nodes[index]):
                wanted += self._find_needed(subgraph)
        self._kept[id(graph)] = [node for node, keep in zip(nodes, needed, strict=True) if keep]
        return read
