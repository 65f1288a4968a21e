"""A model file as ``why`` looks at it: its graph, the shapes at the sizes fed, and the widths of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import onnx
import onnx_graphsurgeon as gs

from compressor.backends.base import Array
from compressor.backends.file_graph import FileGraph
from compressor.errors import GraphError, UsageError
from compressor.model_io import outline, read
from compressor.passes.probe import symbols, walk
from compressor.targets import PathLike

_WEIGHT_SLOT = {"Conv": 1, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1, "QLinearConv": 3, "QLinearMatMul": 3}
HEAVY = frozenset(_WEIGHT_SLOT)
Widths = tuple[int, int]


@dataclass(frozen=True)
class Network:
    """A model file.

    Attributes:
        path: of the file.
        graph: as read, with all names of the file.
        file: who makes and reads each tensor.
        nodes: the node that makes a tensor, by the tensor's name.
    """

    path: Path
    graph: gs.Graph
    file: FileGraph
    nodes: Mapping[str, gs.Node]

    @classmethod
    def read(cls, path: PathLike) -> Network:
        """Read a file.

        Raises:
            ModelFileError: it cannot be read safely.
        """
        graph = read(path)
        nodes = {tensor.name: node for node in graph.nodes for tensor in node.outputs if tensor.name}
        return cls(Path(path), graph, FileGraph(outline(graph).graph), nodes)

    def heavy(self) -> dict[str, str]:
        """Op by output tensor, of the nodes that multiply what is fed."""
        file = self.file
        return {
            file.first_output(index): node.op_type
            for index, node in enumerate(file.nodes)
            if node.op_type in HEAVY and file.first_output(index) in file
        }

    def shapes(self, feeds: Mapping[str, Array]) -> dict[str, tuple[int, ...]]:
        """The shapes of all tensors that inference can tell for these inputs.

        Raises:
            GraphError: the graph does not fit the inputs.
        """
        sizes = dict.fromkeys(symbols(self.graph), 1)
        for tensor in self.graph.inputs:
            for axis, size in enumerate(tensor.shape or ()):
                if not isinstance(size, int) or size < 0:
                    name = size if isinstance(size, str) and size else f"{tensor.name}:{axis}"
                    sizes[name] = int(feeds[tensor.name].shape[axis])
        try:
            found = dict(walk(self.graph, sizes).shapes)
        except onnx.shape_inference.InferenceError as error:
            reason = str(error).strip().splitlines()[-1]
            raise GraphError(f"shapes cannot be inferred: {reason}", where=str(self.path)) from error
        found |= {t.name: tuple(t.shape) for t in self.graph.tensors().values() if isinstance(t, gs.Constant)}
        return {name: tuple(shape) for name, shape in found.items()}

    def widths(self, tensor: str, shapes: Mapping[str, tuple[int, ...]]) -> Widths | None:
        """(input, output) channels of the layer that makes ``tensor``; None where it is none, or they are unknown."""
        node = self.nodes.get(tensor)
        if node is None or node.op not in HEAVY:
            return None
        weight = shapes.get(node.inputs[_WEIGHT_SLOT[node.op]].name, ())
        groups = int(node.attrs.get("group", 1))
        if len(weight) < 2:
            return None
        if node.op in ("Conv", "QLinearConv"):
            return weight[1] * groups, weight[0]
        if node.op == "ConvTranspose":
            return weight[0], weight[1] * groups
        return (weight[1], weight[0]) if node.attrs.get("transB", 0) else (weight[-2], weight[-1])

    def macs(self, tensor: str, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Multiply-accumulates of the layer that makes ``tensor``; 0 where they are unknown."""
        widths, node = self.widths(tensor, shapes), self.nodes.get(tensor)
        if widths is None or node is None:
            return 0
        if "Conv" not in node.op:
            return prod(shapes.get(tensor, (0,))) * widths[0]
        # Every number of the output is a sum over the filter; transposed, every number of the input takes part in one.
        weight = shapes[node.inputs[_WEIGHT_SLOT[node.op]].name]
        positions = node.inputs[0].name if node.op == "ConvTranspose" else tensor
        return prod(shapes.get(positions, (0,))) * prod(weight[1:])


def check_same_network(before: Network, after: Network) -> list[str]:
    """The layers of ``before`` that ``after`` does not have under the same names.

    Raises:
        UsageError: the two are not forms of one network.
    """
    for what, of_a, of_b in (("inputs", before.graph.inputs, after.graph.inputs),
                             ("outputs", before.graph.outputs, after.graph.outputs)):  # fmt: skip
        names_a, names_b = [tensor.name for tensor in of_a], [tensor.name for tensor in of_b]
        if names_a != names_b:
            raise _different(before, after, f"their {what} are {names_a} and {names_b}")
    a, b = before.heavy(), after.heavy()
    alike = [name for name, op in a.items() if b.get(name) == op]
    if len(alike) < 0.5 * max(len(a), len(b)):
        counts = f"{len(alike)} of {max(len(a), len(b))} convolutions and products have the same name in both"
        raise _different(before, after, counts)
    return [name for name in a if name not in alike]


def _different(before: Network, after: Network, what: str) -> UsageError:
    return UsageError(
        f"{after.path} is not {before.path} with fewer channels: {what}",
        fix="Give a model and what `compressor compress` made of it.",
    )
