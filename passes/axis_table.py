"""Kept lengths of many axes at once, for any removal."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from compressor.passes.labels import Labels, LabelStore, is_fixed

_SEED = 0xA715  # of the hash that stands for a set of positions; a fixed one keeps runs alike


class AxisTable:
    """Distinct label arrays, flattened into one table of atoms.

    Equal arrays (after resolution) are one row, so a width shared by a hundred tensors is counted once.
    """

    def __init__(self, store: LabelStore) -> None:
        self._store = store
        self._row_by_id: dict[int, int] = {}
        self._row_by_content: dict[bytes, int] = {}
        self._axes: list[Labels] = []
        self._alive: list[Labels] = []
        self._columns: list[Labels] | None = None
        self._starts: NDArray[np.int64] = np.zeros(0, np.int64)
        self._position_hash: NDArray[np.uint64] = np.zeros(0, np.uint64)

    def add(self, labels: Labels) -> int:
        """Row number of an axis (-1 - length for one that is wholly FIXED)."""
        if is_fixed(labels):
            return -1 - labels.size
        row = self._row_by_id.get(id(labels))
        if row is None:
            resolved = self._store.resolve(labels)
            if not resolved.any():
                row = -1 - labels.size
            else:
                row = self._row_by_content.setdefault(resolved.tobytes(), len(self._axes))
                if row == len(self._axes):
                    self._axes.append(resolved)
                    self._columns = None
            self._row_by_id[id(labels)] = row
            self._alive.append(labels)  # so that its id stays its own
        return row

    def _table(self) -> list[Labels]:
        if self._columns is None:
            sizes = [axis.size for axis in self._axes]
            self._starts = np.cumsum([0, *sizes])[:-1]
            everything = np.concatenate(self._axes) if self._axes else np.zeros(0, np.int64)
            self._columns = self._store.flatten(everything) if everything.size else []
            numbers = np.random.default_rng(_SEED).integers(1, 2**63, max(sizes, default=0), dtype=np.uint64)
            self._position_hash = np.concatenate([numbers[:size] for size in sizes]) if sizes else numbers
        return self._columns

    def kept(self, gone: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Kept length of every row when the atoms marked in ``gone`` (bool per id; gone[0] False) go."""
        removed = self._removed(gone)
        if not removed.size:
            return np.zeros(0, np.int64)
        lengths: NDArray[np.int64] = np.add.reduceat(~removed, self._starts, dtype=np.int64)
        return lengths

    def marks(self, gone: NDArray[np.bool_]) -> NDArray[np.uint64]:
        """A hash of each row's removed positions: 0 where nothing goes, alike where the same positions go."""
        removed = self._removed(gone)
        if not removed.size:
            return np.zeros(0, np.uint64)
        sums: NDArray[np.uint64] = np.add.reduceat(np.where(removed, self._position_hash, 0), self._starts)
        return sums

    def _removed(self, gone: NDArray[np.bool_]) -> NDArray[np.bool_]:
        columns = self._table()
        if not columns:
            return np.zeros(0, np.bool_)
        removed = gone[columns[0]]
        for column in columns[1:]:
            removed = removed | gone[column]
        return np.asarray(removed)

    def indices(self) -> tuple[NDArray[np.int64], list[Labels]]:
        """(row of every index of every axis, its atoms column by column; 0 where it has fewer)."""
        columns = self._table()
        return np.repeat(np.arange(len(self._axes)), [axis.size for axis in self._axes]), columns

    @property
    def labels(self) -> int:
        """Number of label ids of the store."""
        return len(self._store)

    def emptied(self, gone: NDArray[np.bool_]) -> Iterable[Labels]:
        """Axes that would lose every index."""
        for row in np.flatnonzero(self.kept(gone) == 0):
            yield self._axes[row]

    def length(self, row: int, kept: NDArray[np.int64]) -> int:
        """Kept length of the axis whose ``add`` gave ``row``."""
        return int(kept[row]) if row >= 0 else -1 - row
