"""The graph of a file as kernels are mapped to it: who makes and reads a tensor, and which nodes a kernel covers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

MOVERS = frozenset({"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Cast"})


class FileGraph:
    """Makers and readers of the tensors of a graph's top level; nodes are known by their position.

    Args:
        graph: of the file; nodes must be in order. Weights are not looked at.
    """

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.nodes = list(graph.node)
        self.by_name = {node.name: index for index, node in enumerate(self.nodes) if node.name}
        self.maker = {name: index for index, node in enumerate(self.nodes) for name in node.output if name}
        self.readers: dict[str, list[int]] = {}
        self.outputs = [value.name for value in graph.output]
        self._constants = {tensor.name for tensor in graph.initializer} | {""}
        self._constants |= {tensor.values.name for tensor in graph.sparse_initializer}
        self._inputs = {value.name for value in graph.input} - self._constants
        for index, node in enumerate(self.nodes):
            for name in dict.fromkeys(node.input):
                self.readers.setdefault(name, []).append(index)
            if all(name in self._constants for name in node.input) and not any(a.HasField("g") for a in node.attribute):
                self._constants.update(node.output)

    def __contains__(self, name: str) -> bool:
        """Whether a run computes or is fed this tensor of the file."""
        return (name in self.maker or name in self._inputs) and name not in self._constants

    def data_inputs(self, index: int) -> list[str]:
        """The inputs of a node that depend on what is fed."""
        return [name for name in dict.fromkeys(self.nodes[index].input) if name in self]

    def only_reader(self, name: str) -> int | None:
        """The one node that reads a tensor, None where there are several or none, or the graph returns it."""
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def first_output(self, index: int) -> str:
        """The name of a node's first output."""
        return str(self.nodes[index].output[0])

    def covered(self, ends: Sequence[str], borders: frozenset[str] | set[str]) -> list[int]:
        """The nodes, in order, that compute ``ends`` from the tensors ``borders``, from inputs and from constants."""
        found: set[int] = set()
        waiting = list(ends)
        while waiting:
            index = self.maker.get(waiting.pop())
            if index is None or index in found:
                continue
            found.add(index)
            waiting.extend(name for name in self.data_inputs(index) if name not in borders)
        return sorted(found)


def name_nodes(proto: onnx.ModelProto) -> bool:
    """Give a name to each node that has none of its own; whether there was one."""
    taken: set[str] = set()
    changed = False
    for graph in _graphs(proto.graph):
        for number, node in enumerate(graph.node):
            name = node.name or (node.output[0] if node.output else "") or node.op_type
            if not node.name or node.name in taken:
                while name in taken:
                    name = f"{name}_{number}"
                node.name, changed = name, True
            taken.add(node.name)
    return changed


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and all inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from _graphs(inner)
