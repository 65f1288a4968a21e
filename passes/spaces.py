"""Channel spaces: atoms that occur in the same places are interchangeable (design, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.passes.labels import Labels, is_fixed
from compressor.passes.op_rules import LabelState

_SEED = 0x5EED  # of the hash that stands for a place; any will do, a fixed one keeps runs alike


@dataclass(frozen=True)
class Member:
    """A parameter axis that a space runs along: ``repeat`` indices for each of its atoms.

    ``use`` is the node's number and the input slot at which it reads the parameter.
    """

    parameter: str
    axis: int
    node: str
    op: str
    repeat: float
    use: tuple[int, int]


@dataclass(frozen=True)
class Space:
    """A channel space.

    Attributes:
        name: "parameter[axis]" of its first member, made unique.
        atoms: label ids, int64 [size], in the order of the first member's indices.
        members: every parameter axis it runs along.
        soft: some op normalises over it, so the pruned network cannot equal the masked one.
    """

    name: str
    atoms: Labels
    members: tuple[Member, ...]
    soft: bool

    @property
    def size(self) -> int:
        """Number of atoms."""
        return int(self.atoms.size)


def build_spaces(nodes: list[gs.Node], state: LabelState) -> list[Space]:
    """Group all live, removable atoms by the multiset of (parameter use, axis, role) they occur in."""
    store = state.store
    places, columns = _occurrences(state)
    signature = np.zeros(len(store), np.uint64)
    weights = np.random.default_rng(_SEED).integers(1, 2**63, len(places), dtype=np.uint64)
    first = np.full(len(store), np.iinfo(np.int64).max, np.int64)
    position = 0
    for weight, column in zip(weights, columns, strict=True):
        present = column[column > 0]
        np.add.at(signature, present, weight)
        np.minimum.at(first, present, position + np.flatnonzero(column > 0))
        position += column.size
    live = _in_activations(state)
    atoms = np.flatnonzero((signature != 0) & live)
    if atoms.size == 0:
        return []
    atoms = atoms[np.argsort(first[atoms], kind="stable")]
    soft = np.zeros(len(store), np.bool_)
    for touch in state.softs:
        axes = state.labels_of(touch.node, touch.slot, nodes[touch.node].inputs[touch.slot])
        if axes and not is_fixed(axes[touch.axis]):
            soft[store.atoms(axes[touch.axis])] = True
    return _group(atoms, signature, soft, places, columns, nodes)


def _occurrences(state: LabelState) -> tuple[list[tuple[int, int, int]], list[Labels]]:
    """(node, slot, axis) of every column of atoms in a parameter, and the columns."""
    places: list[tuple[int, int, int]] = []
    columns: list[Labels] = []
    for (node, slot), axes in state.uses.items():
        for axis, labels in enumerate(axes):
            if is_fixed(labels):
                continue
            for column in state.store.flatten(labels):
                if column.any():
                    places.append((node, slot, axis))
                    columns.append(column)
    return places, columns


def _in_activations(state: LabelState) -> NDArray[np.bool_]:
    """Atoms that some activation carries; the others are rows nothing reads, which are left alone."""
    live = np.zeros(len(state.store), np.bool_)
    arrays = {id(labels): labels for axes in state.tensors.values() for labels in axes if not is_fixed(labels)}
    if arrays:
        live[state.store.atoms(np.concatenate(list(arrays.values())))] = True
    return live


def _group(
    atoms: Labels,
    signature: NDArray[np.uint64],
    soft: NDArray[np.bool_],
    places: list[tuple[int, int, int]],
    columns: list[Labels],
    nodes: list[gs.Node],
) -> list[Space]:
    _, representative, inverse = np.unique(signature[atoms], return_index=True, return_inverse=True)
    order = np.argsort(representative, kind="stable")  # spaces in the order of first use
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    space_of = np.full(signature.size, -1, np.int64)
    space_of[atoms] = rank[inverse]
    sizes = np.bincount(space_of[atoms], minlength=order.size)
    members: list[dict[tuple[int, int, int], float]] = [{} for _ in range(order.size)]
    for place, column in zip(places, columns, strict=True):
        counts = np.bincount(space_of[column][space_of[column] >= 0], minlength=order.size)
        for space in np.flatnonzero(counts):
            members[space][place] = members[space].get(place, 0.0) + counts[space] / sizes[space]
    spaces, names = [], set[str]()
    by_space = np.split(atoms[np.argsort(space_of[atoms], kind="stable")], np.cumsum(sizes)[:-1])
    for own, found in zip(by_space, members, strict=True):
        listed = tuple(
            Member(nodes[n].inputs[s].name, axis, nodes[n].name, nodes[n].op, repeat, (n, s))
            for (n, s, axis), repeat in found.items()
        )
        name = _unique(f"{listed[0].parameter}[{listed[0].axis}]", names)
        spaces.append(Space(name, own, listed, bool(soft[own].any())))
    return spaces


def _unique(name: str, taken: set[str]) -> str:
    candidate, count = name, 1
    while candidate in taken:
        count += 1
        candidate = f"{name}#{count}"
    taken.add(candidate)
    return candidate
