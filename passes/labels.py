"""Labels on every index of every axis, and their unification (design, section 3).

A label is an int64 id. ``0`` is FIXED: the index must stay. Any other id stands for an *atom*, an
independent thing that may be removed, or for a *pair* (a, b), removed when a or b is removed.
Pairs nest, so a label is in the end a set of atoms. Ids are related by a union-find whose
operations work on whole NumPy arrays.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Labels: TypeAlias = NDArray[np.int64]
FIXED = 0
_NO_CAUSE = -1


def fixed(length: int) -> Labels:
    """``length`` FIXED labels that take no memory."""
    return np.broadcast_to(np.int64(0), (length,))


def is_fixed(labels: Labels) -> bool:
    """Whether every label is FIXED as written (labels pinned later still need ``resolve``)."""
    return (labels.ndim == 1 and labels.strides == (0,)) or not labels.any()


class LabelStore:
    """Union-find over atoms and pairs.

    ``_parent`` is compressed by look-ups; ``_link`` keeps each root's first link, so the cause of a
    pin can be traced afterwards.
    """

    def __init__(self) -> None:
        self._count = 1
        self._parent: Labels = np.zeros(1024, np.int64)
        self._left: Labels = np.zeros(1024, np.int64)
        self._right: Labels = np.zeros(1024, np.int64)
        self._link: Labels = np.full(1024, -1, np.int64)
        self._cause: Labels = np.full(1024, _NO_CAUSE, np.int64)
        self.current_cause = _NO_CAUSE

    def __len__(self) -> int:
        return self._count

    def _allocate(self, count: int) -> Labels:
        need = self._count + count
        if need > len(self._parent):
            size = max(need, 2 * len(self._parent))
            for name, fill in (("_parent", 0), ("_left", 0), ("_right", 0), ("_link", -1), ("_cause", _NO_CAUSE)):
                grown = np.full(size, fill, np.int64)
                grown[: self._count] = getattr(self, name)[: self._count]
                setattr(self, name, grown)
        ids = np.arange(self._count, need, dtype=np.int64)
        self._parent[ids] = ids
        self._count = need
        return ids

    def fresh(self, count: int) -> Labels:
        """``count`` new atoms."""
        return self._allocate(count)

    def pair(self, a: Labels, b: Labels) -> Labels:
        """Element-wise pairs of ``a`` and ``b`` (broadcast); pair(a, FIXED) is a."""
        a, b = np.broadcast_arrays(self.resolve(a), self.resolve(b))
        out = np.where(a == FIXED, b, a)
        both = (a != FIXED) & (b != FIXED) & (a != b)
        if both.any():
            keys, inverse = np.unique(np.stack([a[both], b[both]]), axis=1, return_inverse=True)
            ids = self._allocate(keys.shape[1])
            self._left[ids], self._right[ids] = keys
            out = out.copy()
            out[both] = ids[inverse.reshape(-1)]
        return out

    def _find(self, ids: Labels) -> Labels:
        root = self._parent[ids]
        while True:
            above = self._parent[root]
            if np.array_equal(above, root):
                break
            root = above
        self._parent[ids] = root
        return root

    def resolve(self, ids: Labels) -> Labels:
        """The representative of each id; a pair one of whose parts became FIXED is its other part."""
        if ids.size == 0 or is_fixed(ids):
            return ids
        while True:
            root = self._find(ids)
            pairs = root[self.is_pair(root)]
            if pairs.size == 0:
                return root
            pairs = np.unique(pairs)
            left, right = self.resolve(self._left[pairs]), self.resolve(self._right[pairs])
            collapsed = (left == FIXED) | (right == FIXED) | self._alike(left, right)
            # A collapsed pair keeps its parts as they were: they tell what pinned it.
            self._left[pairs[~collapsed]], self._right[pairs[~collapsed]] = left[~collapsed], right[~collapsed]
            if not collapsed.any():
                return root
            # max: one side is FIXED (0), or both say the same.
            self._set_parent(pairs[collapsed], np.maximum(left, right)[collapsed])

    def _alike(self, left: Labels, right: Labels) -> NDArray[np.bool_]:
        """Where two resolved labels are one, or pairs of the same atoms in the same order, made at different times."""
        alike: NDArray[np.bool_] = left == right
        both = ~alike & self.is_pair(left) & self.is_pair(right)
        if both.any():
            count = int(both.sum())
            atoms = np.stack(self.flatten(np.concatenate([left[both], right[both]])))
            atoms = np.take_along_axis(atoms, np.argsort(atoms == FIXED, axis=0, kind="stable"), axis=0)
            alike[both] = (atoms[:, :count] == atoms[:, count:]).all(axis=0)
        return alike

    def _set_parent(self, ids: Labels, targets: Labels) -> None:
        self._parent[ids] = targets
        self._link[ids] = targets
        self._cause[ids[targets == FIXED]] = self.current_cause

    def is_pair(self, roots: Labels) -> NDArray[np.bool_]:
        """Which resolved labels are pairs."""
        is_pair: NDArray[np.bool_] = self._right[roots] > 0
        return is_pair

    def parts(self, roots: Labels) -> tuple[Labels, Labels]:
        """Resolved (left, right) of resolved pairs."""
        return self.resolve(self._left[roots]), self.resolve(self._right[roots])

    def pin(self, ids: Labels) -> None:
        """Make every label FIXED: neither it nor any part of it may go."""
        roots = np.unique(self.resolve(ids))
        roots = roots[roots != FIXED]
        if roots.size == 0:
            return
        pairs = roots[self.is_pair(roots)]
        if pairs.size:
            left, right = self.parts(pairs)
            self.pin(np.concatenate([left, right]))
            roots = np.setdiff1d(roots, pairs)
            roots = roots[self._find(roots) == roots]
        self._set_parent(roots, np.zeros_like(roots))

    def unify(self, a: Labels, b: Labels) -> None:
        """Make ``a[i]`` and ``b[i]`` equal for every i."""
        work = [(a, b)]
        while work:
            a, b = (self.resolve(side) for side in work.pop())
            differ = a != b
            if not differ.any():
                continue
            low, high = np.minimum(a[differ], b[differ]), np.maximum(a[differ], b[differ])
            low, high = np.unique(np.stack([low, high]), axis=1)
            to_pin = low == FIXED
            if to_pin.any():
                self.pin(high[to_pin])
                work.append((low[~to_pin], high[~to_pin]))
                continue
            work.extend(self._unify_roots(low, high))

    def _unify_roots(self, low: Labels, high: Labels) -> list[tuple[Labels, Labels]]:
        """One round over distinct, non-FIXED roots; returns what is left to do."""
        low_pair, high_pair = self.is_pair(low), self.is_pair(high)
        atoms = ~low_pair & ~high_pair
        if atoms.any():
            # Of several links from one root only the last is kept; the rest go round again.
            self._set_parent(high[atoms], low[atoms])
            return [(low, high)]
        mixed = low_pair != high_pair
        if mixed.any():
            atom = np.where(low_pair, high, low)[mixed]
            pair = np.where(low_pair, low, high)[mixed]
            self._bind(atom, pair)
            return [(low, high)]
        return self._unify_pairs(low, high)

    def _bind(self, atoms: Labels, pairs: Labels) -> None:
        """Bind atoms to pairs, whole array at once unless a cycle could arise."""
        _, first = np.unique(atoms, return_index=True)
        atoms, pairs = atoms[first], pairs[first]
        if np.isin(atoms, self.atoms(pairs)).any():
            atom, pair = atoms[:1], pairs[:1]
            inside = self.atoms(pair)
            if atom[0] in inside:
                # a = {a, b, ...}: the atom implies the rest, which therefore may not go alone.
                self.pin(inside[inside != atom[0]])
            else:
                self._set_parent(atom, pair)
            return
        self._set_parent(atoms, pairs)

    def _unify_pairs(self, low: Labels, high: Labels) -> list[tuple[Labels, Labels]]:
        one, other = self._left_atom(low), self._left_atom(high)
        low, high = np.minimum(one, other), np.maximum(one, other)
        (low_left, low_right), (high_left, high_right) = self.parts(low), self.parts(high)
        distinct = low != high
        self._set_parent(high[distinct], low[distinct])  # equal once their parts are, which comes next
        return [(low_left, high_left), (low_right, high_right)]

    def _left_atom(self, pairs: Labels) -> Labels:
        """Re-associate ((a, b), c) to (a, (b, c)), so that equal sets in the same order line up."""
        while True:
            left, right = self.parts(pairs)
            nested = self.is_pair(left)
            if not nested.any():
                return pairs
            inner_left, inner_right = self.parts(left[nested])
            turned = self.pair(inner_left, self.pair(inner_right, right[nested]))
            pairs = pairs.copy()
            pairs[nested] = turned

    def atoms(self, ids: Labels) -> Labels:
        """The distinct atoms that the labels consist of."""
        roots = np.unique(self.resolve(ids))
        found = []
        while roots.size:
            roots = roots[roots != FIXED]
            pair = self.is_pair(roots)
            found.append(roots[~pair])
            left, right = self.parts(roots[pair])
            roots = np.unique(np.concatenate([left, right]))
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def flatten(self, ids: Labels) -> list[Labels]:
        """Columns of atoms: column k holds the k-th atom of each label, FIXED where there are fewer."""
        columns: list[Labels] = []
        todo = [self.resolve(ids)]
        while todo:
            roots = todo.pop(0)
            pair = self.is_pair(roots)
            if not pair.any():
                columns.append(roots)
                continue
            left, right = np.where(pair, 0, roots), np.zeros_like(roots)
            left[pair], right[pair] = self.parts(roots[pair])
            todo[:0] = [left, right]
        return columns

    def removed(self, gone: NDArray[np.bool_], ids: Labels) -> NDArray[np.bool_]:
        """Which labels go when the atoms marked in ``gone`` (bool, one per id) go."""
        if is_fixed(ids):
            return np.broadcast_to(np.False_, ids.shape)  # takes no memory, however long the axis
        columns = self.flatten(ids)
        result = gone[columns[0]]
        for column in columns[1:]:
            result = result | gone[column]
        return np.asarray(result)

    def cause(self, label: int) -> int:
        """The cause recorded when ``label``'s class was pinned, or -1."""
        pinned = self.pinned_class(label)
        return _NO_CAUSE if pinned is None else int(self._cause[pinned])

    def pinned_class(self, label: int) -> int | None:
        """The id that stood for ``label``'s class when it was pinned; None while it is not FIXED, or is so as written.

        A pair is FIXED because its parts are, so its class is that of its left part.
        """
        while label != FIXED:
            above = int(self._link[label])
            if above == -1:
                return None
            if above == FIXED and self._right[label] == 0:
                return label
            label = above if above != FIXED else int(self._left[label])
        return None

    def derivations(self) -> tuple[Labels, Labels]:
        """Arrays (of, by): id ``by[i]`` was linked to ``of[i]``, or is a pair that has ``of[i]`` as a part."""
        ids = np.arange(self._count)
        of = np.concatenate([array[: self._count] for array in (self._link, self._left, self._right)])
        by = np.concatenate([ids, ids, ids])
        return of[of > FIXED], by[of > FIXED]
