"""Grouped convolutions: which position goes may differ from group to group.

A grouped convolution takes the same number of channels from every group, so position j is one atom for
all groups, and the least important position of each group rarely stands at the same j. Where nothing
but the convolution ties positions across groups, channels may be permuted inside each group without
changing the function: the producers' outputs, everything element-wise, and the convolution's own weight per
group. After such a permutation the least important positions line up and one atom removes them all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.graph_copy import copy_graph
from compressor.graph_edit import replace_input
from compressor.passes.analysis import Analysis
from compressor.passes.labels import Labels, is_fixed
from compressor.passes.nested import all_nodes, tensor_names
from compressor.passes.rewrite_rules import NameMaker
from compressor.passes.shape_values import Array
from compressor.passes.spaces import Space
from compressor.tensor_values import peek

_GROUPED = {"Conv", "FusedConv"}


@dataclass(frozen=True)
class Grouping:
    """A space of positions inside groups that may be chosen group by group.

    Attributes:
        groups, width: the convolution's groups, and positions in each.
        weights: (node, slot) of the convolution weights [groups * O, width, ...].
        axes: (node, slot, axis) of every parameter axis of groups * width channels.
    """

    groups: int
    width: int
    weights: tuple[tuple[int, int], ...]
    axes: tuple[tuple[int, int, int], ...]


# A label array and where it stands: (node, slot, axis) of a parameter, None for an activation.
_Place = tuple[Labels, "tuple[int, int, int] | None"]


def find_groupings(analysis: Analysis) -> dict[str, Grouping]:
    """Spaces, by name, whose positions may be permuted freely inside each group."""
    candidates = _candidates(analysis)
    found: dict[str, Grouping] = {}
    if not candidates:
        return found
    owner = np.full(len(analysis.state.store), -1, np.int64)
    for number, (space, _) in enumerate(candidates):
        owner[space.atoms] = number
    places: list[list[_Place]] = [[] for _ in candidates]
    for labels, place in _label_arrays(analysis):
        owners = {int(n) for column in analysis.state.store.flatten(labels) for n in np.unique(owner[column])}
        for number in owners - {-1}:
            places[number].append((labels, place))
    for (space, groups), own in zip(candidates, places, strict=True):
        grouping = _grouping(analysis, space.atoms, groups, own)
        if grouping is not None:
            found[space.name] = grouping
    return found


def _candidates(analysis: Analysis) -> list[tuple[Space, int]]:
    """Spaces that are the positions of some grouped convolution, and its number of groups."""
    spaces = {int(space.atoms[0]): space for space in analysis.spaces}
    found: dict[str, tuple[Space, int]] = {}
    for index, node in enumerate(analysis.nodes):
        if node.op not in _GROUPED or node.attrs.get("group", 1) == 1 or (index, 1) not in analysis.state.uses:
            continue
        within = analysis.state.store.resolve(analysis.state.uses[index, 1][1])
        space = spaces.get(int(within[0]))
        if space is not None and within.size > 1 and np.array_equal(space.atoms, within):
            found.setdefault(space.name, (space, int(node.attrs["group"])))
    return list(found.values())


def _label_arrays(analysis: Analysis) -> Iterator[_Place]:
    for (node, slot), labelled in analysis.state.uses.items():
        for axis, labels in enumerate(labelled):
            if not is_fixed(labels):
                yield labels, (node, slot, axis)
    distinct = {id(labels): labels for axes in analysis.state.tensors.values() for labels in axes}
    for labels in distinct.values():
        if not is_fixed(labels):
            yield labels, None


def _grouping(analysis: Analysis, within: Labels, groups: int, places: list[_Place]) -> Grouping | None:
    """The grouping of positions ``within``, or None where anything else looks at them."""
    weights: list[tuple[int, int]] = []
    axes: list[tuple[int, int, int]] = []
    for labels, place in places:
        if _is_grid(analysis, labels, within, groups):
            if place is not None:
                axes.append(place)
        elif place is not None and place[2] == 1 and _is_grouped_weight(analysis, *place[:2], groups, within.size):
            weights.append(place[:2])
        else:
            return None
    return Grouping(groups, within.size, tuple(weights), tuple(axes))


def _is_grid(analysis: Analysis, labels: Labels, within: Labels, groups: int) -> bool:
    """Whether an axis is exactly (group, position), group by group."""
    if labels.size != groups * within.size:
        return False
    columns = analysis.state.store.flatten(labels)
    last = columns[-1].reshape(groups, within.size)
    rows = [column.reshape(groups, within.size) for column in columns[:-1]]
    return bool((last == within).all()) and all(bool((row == row[:, :1]).all()) for row in rows)


def _is_grouped_weight(analysis: Analysis, node: int, slot: int, groups: int, width: int) -> bool:
    found = analysis.nodes[node]
    return (
        found.op in _GROUPED
        and slot == 1
        and found.attrs.get("group", 1) == groups
        and analysis.state.uses[node, slot][1].size == width
    )


def importance(analysis: Analysis, grouping: Grouping) -> NDArray[np.float64]:
    """Float64 [groups, width]: sum of |w| over the slices of each channel, as the L1 criterion takes it."""
    total = np.zeros((grouping.groups, grouping.width))
    for node, slot, axis in (*grouping.axes, *((*place, None) for place in grouping.weights)):
        total += by_position(np.abs(peek(analysis.nodes[node].inputs[slot])), grouping, axis)
    return total


def by_position(numbers: Array, grouping: Grouping, axis: int | None) -> NDArray[np.float64]:
    """Float64 [groups, width]: the numbers of a parameter's elements, added up for each channel.

    Args:
        numbers: of the parameter's shape.
        axis: the one of groups * width channels; None for a convolution's weight [groups * O, width, ...].
    """
    shape = (grouping.groups, grouping.width)
    if axis is not None:
        others = tuple(i for i in range(numbers.ndim) if i != axis)
        return np.asarray(numbers.sum(axis=others, dtype=np.float64).reshape(shape))
    blocks = numbers.reshape(grouping.groups, -1, grouping.width, *numbers.shape[2:])
    return np.asarray(blocks.sum(axis=(1, *range(3, blocks.ndim)), dtype=np.float64))


def align(analysis: Analysis, orders: Mapping[str, NDArray[np.int64]]) -> gs.Graph:
    """A copy of the graph, the same function, with the channels of each group in a new order.

    Args:
        orders: by space name, int [groups, width]: row g lists the positions of group g in their new order.
    """
    groupings = find_groupings(analysis)
    graph = copy_graph(analysis.graph)
    copies = list(all_nodes(graph))
    names = NameMaker(tensor_names(graph))
    readers = Counter(analysis.nodes[node].inputs[slot].name for node, slot in analysis.state.uses)

    def put(node: int, slot: int, values: Array) -> None:
        name = copies[node].inputs[slot].name
        shared = readers[name] > 1 or name in analysis.state.whole
        replace_input(copies[node], slot, gs.Constant(names.new(name) if shared else name, values))

    for name, order in orders.items():
        grouping = groupings[name]
        flat = (np.arange(grouping.groups)[:, None] * grouping.width + order).reshape(-1)
        for node, slot, axis in grouping.axes:
            put(node, slot, np.take(peek(copies[node].inputs[slot]), flat, axis=axis))
        for node, slot in grouping.weights:
            values = peek(copies[node].inputs[slot])
            blocks = values.reshape(grouping.groups, -1, *values.shape[1:])
            moved = [block[:, row] for block, row in zip(blocks, order, strict=True)]
            put(node, slot, np.concatenate(moved))
    return graph
