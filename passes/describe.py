"""Channel spaces in words: what makes their channels, what reads them, what they pass through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from compressor.passes.analysis import Analysis
from compressor.passes.labels import Labels, is_fixed
from compressor.passes.spaces import Member, Space


@dataclass(frozen=True)
class Part:
    """A parameter axis of a space.

    Attributes:
        role: "makes" (a weight whose rows or columns give the channels), "reads" (a weight that sums over
            them) or "follows" (a number for each channel: bias, scale, ...).
        per_channel: indices along the axis for each channel of the space.
    """

    role: str
    parameter: str
    axis: int
    node: int
    op: str
    per_channel: float


@dataclass(frozen=True)
class Description:
    """One space in words.

    Attributes:
        parts: its parameter axes, in graph order.
        nodes: numbers of all nodes through which its channels run.
        results: those of them whose outputs carry its channels.
        passes: how many nodes of each op it runs through that hold no parameter of it.
        normalised_by: nodes that normalise or average over its channels (soft).
    """

    space: Space
    parts: tuple[Part, ...]
    nodes: tuple[int, ...]
    results: tuple[int, ...]
    passes: dict[str, int]
    normalised_by: tuple[int, ...]


def describe_spaces(analysis: Analysis) -> list[Description]:
    """Every space of an analysis, in order."""
    space_of = np.full(len(analysis.state.store), -1, np.int64)
    for number, space in enumerate(analysis.spaces):
        space_of[space.atoms] = number
    reader = _Reader(analysis, space_of)
    entering: list[set[int]] = [set() for _ in analysis.spaces]
    leaving: list[set[int]] = [set() for _ in analysis.spaces]
    for index, node in enumerate(analysis.nodes):
        for slot, tensor in enumerate(node.inputs):
            reader.note(entering, index, analysis.state.labels_of(index, slot, tensor))
        for tensor in node.outputs:
            reader.note(leaving, index, analysis.state.tensors.get(tensor.name))
    softs: list[set[int]] = [set() for _ in analysis.spaces]
    for touch in analysis.state.softs:
        axes = analysis.state.labels_of(touch.node, touch.slot, analysis.nodes[touch.node].inputs[touch.slot])
        reader.note(softs, touch.node, [axes[touch.axis]] if axes else None)
    summed = {(touch.node, touch.slot, touch.axis) for touch in analysis.state.contractions}
    return [
        _describe(analysis, space, summed, sorted(entered | left), sorted(left), sorted(soft))
        for space, entered, left, soft in zip(analysis.spaces, entering, leaving, softs, strict=True)
    ]


class _Reader:
    """Which spaces run along label arrays; arrays met before are not looked at again."""

    def __init__(self, analysis: Analysis, space_of: Labels) -> None:
        self._store = analysis.state.store
        self._space_of = space_of
        self._seen: dict[int, tuple[Labels, set[int]]] = {}

    def note(self, found: list[set[int]], node: int, axes: Iterable[Labels] | None) -> None:
        """Add ``node`` to every space that runs along one of ``axes``."""
        for labels in axes or ():
            for space in self._spaces(labels):
                found[space].add(node)

    def _spaces(self, labels: Labels) -> set[int]:
        if is_fixed(labels):
            return set()
        if id(labels) not in self._seen:
            spaces = np.unique(self._space_of[self._store.atoms(labels)])
            self._seen[id(labels)] = labels, set(spaces[spaces >= 0].tolist())
        return self._seen[id(labels)][1]


def _describe(
    analysis: Analysis,
    space: Space,
    summed: set[tuple[int, int, int]],
    nodes: list[int],
    results: list[int],
    soft: list[int],
) -> Description:
    parts = tuple(_part(analysis, member, summed) for member in space.members)
    holders = {part.node for part in parts}
    passes = Counter(analysis.nodes[node].op for node in nodes if node not in holders)
    return Description(space, parts, tuple(nodes), tuple(results), dict(passes.most_common()), tuple(soft))


def _part(analysis: Analysis, member: Member, summed: set[tuple[int, int, int]]) -> Part:
    """A weight is a parameter of two axes or more of a node that sums over one of them."""
    node, slot = member.use
    axes = analysis.state.uses[member.use]
    role = "follows"
    if (node, slot, member.axis) in summed:
        role = "reads"
    elif sum(labels.size > 1 for labels in axes) > 1 and any((node, slot, axis) in summed for axis in range(len(axes))):
        role = "makes"
    return Part(role, member.parameter, member.axis, node, member.op, float(member.repeat))
