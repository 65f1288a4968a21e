"""The units in which time is accounted: a heavy op with all the light ones that hang on it.

Which ops a runtime fuses depends on the widths: a convolution with its ReLU and residual sum is one kernel at one width
and three at another. So kernels are not compared one by one. Every tensor belongs to the heavy op (one that multiplies
and accumulates) that comes last among those it depends on most nearly, and a unit's time is that of all kernels that
compute its tensors, and of what the runtime moves in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.graph_copy import subgraphs_of
from compressor.passes.analysis import Analysis
from compressor.passes.axis_table import AxisTable
from compressor.passes.nested import all_nodes

FIRST = ""  # the unit of what no heavy op comes before
Rows = tuple[int, ...]
_CONVOLUTIONS = {"Conv", "FusedConv", "ConvTranspose"}  # whose work ends in the inputs that an output sums over
_ONE = -2  # row of an axis of one index


@dataclass(frozen=True)
class WorkUnit:
    """One heavy op with what hangs on it.

    Attributes:
        name: its output tensor in the file; FIRST for what comes before the first heavy op.
        op: type of the heavy op; "" for FIRST.
        work: (constant, rows of an axis table): multiply-accumulates are the constant times the lengths of those axes.
        outputs: rows of the axes of every tensor that it computes.
        ops: types of its nodes.
        how: settings of the heavy op, as strides: they decide which kernel computes it.
    """

    name: str
    op: str
    work: tuple[tuple[int, Rows], ...]
    outputs: tuple[Rows, ...]
    ops: tuple[str, ...]
    how: str = ""

    @property
    def signature(self) -> tuple[object, ...]:
        """Alike for units that do the same, whatever widths their axes have."""
        work = tuple((constant, tuple(min(row, 0) for row in rows)) for constant, rows in self.work)
        outputs = tuple(tuple(min(row, 0) for row in rows) for rows in self.outputs)
        return self.op, self.how, work, outputs, self.ops

    def is_there(self, lengths: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Bool [candidates] for ``lengths`` [candidates, rows]: whether anything that it computes has channels left."""
        empty = [
            np.any([lengths[:, row] == 0 for row in rows if row >= 0], axis=0) & np.ones(len(lengths), np.bool_)
            for rows in self.outputs
        ]
        return ~np.all(empty, axis=0) if empty else np.ones(len(lengths), np.bool_)

    def with_part(self, other: WorkUnit) -> WorkUnit:
        """The two as one."""
        return WorkUnit(
            self.name, self.op or other.op, self.work + other.work, self.outputs + other.outputs, self.ops + other.ops,
            self.how + other.how,
        )  # fmt: skip

    @property
    def kind(self) -> str:
        """Type of its heavy op, "by channel" for one that combines no channels, as a depthwise convolution."""
        by_channel = self.op in _CONVOLUTIONS and all(rows[-1] == _ONE for _, rows in self.work)
        return f"{self.op} by channel" if by_channel else self.op

    @property
    def axes(self) -> Rows:
        """The axes that its heavy op works along and that may be cut, each once."""
        return tuple(dict.fromkeys(row for _, rows in self.work for row in rows if row >= 0))


@dataclass
class _Parts:
    work: list[tuple[int, Rows]] = field(default_factory=list)
    outputs: list[Rows] = field(default_factory=list)
    ops: list[str] = field(default_factory=list)


class WorkUnits:
    """All units of a graph.

    Attributes:
        units: in the order of their heavy ops, FIRST before all.
        unit_of: number of the unit of every tensor of the main graph.
        reader: for every unit the first one that reads what it computes; its own number where none does.
    """

    def __init__(self, analysis: Analysis, table: AxisTable) -> None:
        self.units: list[WorkUnit] = []
        self.unit_of: dict[str, int] = {}
        nodes = list(analysis.graph.nodes)
        places = {id(inner): place for place, node in enumerate(nodes) for inner in _with_bodies(node)}
        heavy: dict[int, list[tuple[int, Rows]]] = {}
        for work in analysis.state.work:
            place = places[id(analysis.nodes[work.node])]
            heavy.setdefault(place, []).append((work.constant, tuple(map(table.add, work.axes))))
        anchors = _anchors(nodes, set(heavy))
        parts: dict[int, _Parts] = {-1: _Parts()}
        for place, node in enumerate(nodes):
            part = parts.setdefault(anchors[place], _Parts())
            part.work += heavy.get(place, [])
            part.ops.append(node.op)
            axes = (analysis.state.tensors.get(tensor.name) for tensor in node.outputs)
            part.outputs += [tuple(map(table.add, labels)) for labels in axes if labels is not None]
        numbers = {anchor: number for number, anchor in enumerate(parts)}
        for anchor, part in parts.items():
            name, op, how = FIRST, "", ""
            if anchor >= 0:
                name, op, how = nodes[anchor].outputs[0].name, nodes[anchor].op, _settings(nodes[anchor])
            self.units.append(WorkUnit(name, op, tuple(part.work), tuple(part.outputs), tuple(part.ops), how))
        for place, node in enumerate(nodes):
            self.unit_of |= {tensor.name: numbers[anchors[place]] for tensor in node.outputs}
        self.reader = list(range(len(self.units)))
        for place, node in enumerate(nodes):
            mine = numbers[anchors[place]]
            for unit in {self.unit_of[tensor.name] for tensor in node.inputs if tensor.name in self.unit_of} - {mine}:
                self.reader[unit] = mine if self.reader[unit] == unit else min(mine, self.reader[unit])


def _settings(node: gs.Node) -> str:
    """Attributes that are numbers or words."""
    plain = {name: value for name, value in node.attrs.items() if isinstance(value, int | float | str | list | tuple)}
    return repr(sorted(plain.items()))


def _with_bodies(node: gs.Node) -> Iterator[gs.Node]:
    yield node
    for body in subgraphs_of(node):
        yield from all_nodes(body)


def _anchors(nodes: list[gs.Node], heavy: set[int]) -> list[int]:
    """For every node the place of its unit's heavy op; -1 where there is none before it."""
    anchor_of: dict[str, int] = {}
    anchors = []
    for place, node in enumerate(nodes):
        before = max((anchor_of.get(tensor.name, -1) for tensor in node.inputs), default=-1)
        anchors.append(place if place in heavy else before)
        anchor_of |= {tensor.name: anchors[-1] for tensor in node.outputs}
    return anchors
