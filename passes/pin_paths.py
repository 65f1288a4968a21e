"""Paths through the graph along which a pin travelled: from the node that pinned to whatever shares its labels."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.graph_copy import subgraphs_of
from compressor.passes.labels import Labels, LabelStore, is_fixed
from compressor.passes.op_rules import LabelState

Marks = NDArray[np.bool_]


class Derived:
    """Which ids hang on a given one: linked to it, directly or not, or pairs with such a part."""

    def __init__(self, store: LabelStore) -> None:
        of, by = store.derivations()
        order = np.argsort(of, kind="stable")
        self._by = by[order]
        self._start = np.searchsorted(of[order], np.arange(len(store) + 1))

    def marks(self, pinned: int) -> Marks:
        """Bool mark of every id that hangs on ``pinned``, itself included."""
        mark = np.zeros(self._start.size - 1, np.bool_)
        frontier = np.array([pinned])
        while frontier.size:
            mark[frontier] = True
            below = np.concatenate([self._by[self._start[one] : self._start[one + 1]] for one in frontier])
            frontier = np.unique(below[~mark[below]])
        return mark


class Connections:
    """Which nodes touch which tensors; a body's inputs and outputs count as touched by the node around it."""

    def __init__(self, nodes: list[gs.Node], state: LabelState) -> None:
        self._state = state
        self._names: list[list[str]] = []
        self._touching: dict[str, list[int]] = {}
        for index, node in enumerate(nodes):
            tensors = [*node.inputs, *node.outputs]
            for body in subgraphs_of(node):
                tensors += [*body.inputs, *body.outputs]
            names = list(dict.fromkeys(tensor.name for tensor in tensors if tensor.name in state.tensors))
            self._names.append(names)
            for name in names:
                self._touching.setdefault(name, []).append(index)

    def touching(self, tensor: str) -> list[int]:
        """Numbers of the nodes that read or write a tensor."""
        return self._touching.get(tensor, [])

    def tree(self, start: Iterable[int], mark: Marks) -> dict[int, int | None]:
        """Breadth-first over tensors with a marked label: the node before each reached one (None at the start)."""
        before: dict[int, int | None] = dict.fromkeys(start)
        queue = deque(before)
        carries: dict[str, bool] = {}
        while queue:
            node = queue.popleft()
            for name in self._names[node]:
                if name in carries:
                    continue
                carries[name] = any(_meets(labels, mark) for labels in self._state.tensors[name])
                if not carries[name]:
                    continue
                for other in self._touching[name]:
                    if other not in before:
                        before[other] = node
                        queue.append(other)
        return before


def _meets(labels: Labels, mark: Marks) -> bool:
    return not is_fixed(labels) and bool(mark[labels].any())


def path(tree: dict[int, int | None], node: int) -> list[int]:
    """Nodes from the start of a tree to ``node``; empty when the tree does not reach it."""
    found: list[int] = []
    at: int | None = node if node in tree else None
    while at is not None:
        found.append(at)
        at = tree[at]
    return found[::-1]
