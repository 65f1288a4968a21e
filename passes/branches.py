"""Branches that may go whole: a space loses every channel, and what read them gives the same for any input.

With no channels left in the middle of a residual block, the layer that read them gives its bias at every position. That
bias, one number a channel, stands in for the whole branch where what follows takes it in a smaller shape: where it is
added to, or multiplied by, a tensor of full size. (Dropping residual blocks: Veit et al., arXiv:1605.06431; whole
structures under a runtime's budget: ZipLM, arXiv:2302.04089.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.graph_copy import subgraphs_of
from compressor.passes.analysis import Analysis
from compressor.passes.axis_table import AxisTable
from compressor.passes.labels import Labels
from compressor.passes.nested import all_nodes
from compressor.passes.spaces import Space

ENDS = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2, "MatMul": None}
"""Ops that sum over channels, and the input that is their bias."""
ARITHMETIC = frozenset({"Add", "Sub", "Mul", "Div"})
_UNARY = frozenset({
    "Cast", "Clip", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Mish", "Neg", "Relu",
    "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Swish", "Tanh",
})  # fmt: skip
_CHANNELWISE = frozenset({"BatchNormalization"})
_STANDARD = (None, "", "ai.onnx")


@dataclass(frozen=True)
class Branches:
    """What of a graph may lose all its channels at once.

    Attributes:
        analysis: of the graph.
        table: every axis of it.
    """

    analysis: Analysis
    table: AxisTable

    @classmethod
    def of(cls, analysis: Analysis) -> Branches:
        """With a table of its own."""
        return cls(analysis, AxisTable(analysis.state.store))

    def spaces(self) -> dict[int, list[int]]:
        """Number of each space that may go whole -> numbers of those that nothing reads any more once it has gone."""
        found = {}
        for number, space in enumerate(self.analysis.spaces):
            if not space.soft and (walk := self._walked(space.atoms)) is not None:
                found[number] = [other for other in walk.unread(self.analysis.spaces) if other != number]
        return found

    def ends(self, atoms: Labels) -> list[int] | None:
        """Numbers of the nodes whose outputs become constants when ``atoms`` go; None where that is not possible."""
        walk = self._walked(atoms)
        return None if walk is None else sorted(walk.ends)

    def whole(self, atoms: Labels) -> Labels:
        """Those of ``atoms`` whose spaces may go whole, together, and all atoms that nothing reads any more then."""
        gone = self._gone(atoms)
        taken = np.zeros(0, np.int64)
        for space in self.analysis.spaces:
            if not space.soft and gone[space.atoms].all():
                together = np.concatenate([taken, space.atoms])
                taken = together if self._walked(together) is not None else taken
        walk = self._walked(taken) if taken.size else None
        unread = (
            [] if walk is None else [self.analysis.spaces[number].atoms for number in walk.unread(self.analysis.spaces)]
        )
        return np.unique(np.concatenate([taken, *unread]))

    def less_one_of_each(self, atoms: Labels) -> Labels:
        """``atoms`` but for one on every axis that they empty: what the graph can be sliced by."""
        gone = self._gone(atoms)
        self._emptied(atoms)  # so that every axis is in the table
        while emptied := list(self.table.emptied(gone)):
            for labels in emptied:
                gone[self.analysis.state.store.atoms(labels[:1])] = False
        return np.flatnonzero(gone)

    def _walked(self, atoms: Labels) -> _Walk | None:
        walk = _Walk(self.analysis, self._emptied(atoms))
        return walk if walk.reaches_inputs() and walk.stays_small() else None

    def _gone(self, atoms: Labels) -> NDArray[np.bool_]:
        gone = np.zeros(len(self.analysis.state.store), np.bool_)
        gone[self.analysis.state.store.resolve(atoms)] = True
        gone[0] = False
        return gone

    def _emptied(self, atoms: Labels) -> _Emptied:
        state = self.analysis.state
        tensors = {name: [self.table.add(labels) for labels in axes] for name, axes in state.tensors.items()}
        uses = {use: [self.table.add(labels) for labels in axes] for use, axes in state.uses.items()}
        kept = self.table.kept(self._gone(atoms))

        def emptied(rows: list[int]) -> tuple[int, ...]:
            return tuple(axis for axis, row in enumerate(rows) if row >= 0 and kept[row] == 0)

        return _Emptied(
            {name: axes for name, rows in tensors.items() if (axes := emptied(rows))},
            {use: axes for use, rows in uses.items() if (axes := emptied(rows))},
        )


def goes_whole(analysis: Analysis, atoms: Labels) -> bool:
    """Whether any space loses all its channels."""
    gone = np.zeros(len(analysis.state.store), np.bool_)
    gone[atoms] = True
    return any(bool(gone[space.atoms].all()) for space in analysis.spaces)


@dataclass(frozen=True)
class _Emptied:
    """By tensor, and by use of an initializer: the axes that lose all indices."""

    tensors: dict[str, tuple[int, ...]]
    uses: dict[tuple[int, int], tuple[int, ...]]


class _Walk:
    def __init__(self, analysis: Analysis, emptied: _Emptied) -> None:
        self._analysis, self._emptied = analysis, emptied
        self._number = {id(node): index for index, node in enumerate(analysis.nodes)}
        self._makers = {tensor.name: node for node in analysis.graph.nodes for tensor in node.outputs}
        self.live: set[int] = set()
        self.ends: set[int] = set()

    def reaches_inputs(self) -> bool:
        """Walk back from the outputs to what sums over nothing; whether nothing else has lost its channels."""
        todo = [tensor.name for tensor in self._analysis.graph.outputs]
        if any(name in self._emptied.tensors for name in todo):
            return False
        while todo:
            node = self._makers.get(todo.pop())
            if node is None or self._number[id(node)] in self.live | self.ends:
                continue
            if not self._reads_nothing(node):
                self.live.add(self._number[id(node)])
                todo += _read_by(node)
            elif self._is_end(node):
                self.ends.add(self._number[id(node)])
            else:
                return False
        return True

    def unread(self, spaces: Sequence[Space]) -> list[int]:
        """Numbers of the spaces that no node reads any more."""
        return [
            number
            for number, space in enumerate(spaces)
            if not any(member.use[0] in self.live for member in space.members)
        ]

    def _reads_nothing(self, node: gs.Node) -> bool:
        """Whether something that the node or its bodies read is emptied, or something that bodies compute."""
        if any(name in self._emptied.tensors for name in _read_by(node)):
            return True
        inside = [inner for body in subgraphs_of(node) for inner in all_nodes(body)]
        numbers = {self._number[id(each)] for each in (node, *inside)}
        computed = {tensor.name for inner in inside for tensor in inner.outputs}
        return bool(computed & self._emptied.tensors.keys()) or any(index in numbers for index, _ in self._emptied.uses)

    def _is_end(self, node: gs.Node) -> bool:
        """Whether it sums over what is gone (it gives all its axes, so it sums over any that it only reads)."""
        ends = node.op in ENDS and node.domain in _STANDARD
        return ends and node.outputs[0].name not in self._emptied.tensors and _bias_is_known(node, self._analysis)

    def stays_small(self) -> bool:
        """Whether all that reads the constants takes them in place of tensors of full size."""
        small = {self._analysis.nodes[end].outputs[0].name for end in self.ends}
        for node in self._analysis.graph.nodes:
            if self._number[id(node)] in self.live and small.intersection(_read_by(node)):
                if node.domain not in _STANDARD or node.op not in ARITHMETIC | _UNARY | _CHANNELWISE:
                    return False
                others = [t.name for t in node.inputs if not isinstance(t, gs.Constant) and t.name not in small]
                result = node.outputs[0].name
                if not any(others):
                    small.add(result)
                elif not any(self._same_size(name, result) for name in others):
                    return False
        return not small.intersection(tensor.name for tensor in self._analysis.graph.outputs)

    def _same_size(self, one: str, other: str) -> bool:
        return all(probe.shapes.get(one) == probe.shapes.get(other) is not None for probe in self._analysis.probes)


def _read_by(node: gs.Node) -> Iterator[str]:
    """Names of the activations that a node reads, and of all that its bodies read."""
    yield from (tensor.name for tensor in node.inputs if tensor.name and not isinstance(tensor, gs.Constant))
    for body in subgraphs_of(node):
        for inner in all_nodes(body):
            yield from (tensor.name for tensor in inner.inputs if tensor.name)
        yield from (tensor.name for tensor in body.outputs)


def _bias_is_known(node: gs.Node, analysis: Analysis) -> bool:
    slot = ENDS[node.op]
    if slot is None or len(node.inputs) <= slot or not node.inputs[slot].name:
        return True
    bias = node.inputs[slot]
    outputs = analysis.probes[0].shapes[node.outputs[0].name]
    return isinstance(bias, gs.Constant) and int(np.prod(bias.shape)) in (1, outputs[-1 if node.op == "Gemm" else 1])
