"""Lengths of all axes as a function of how many channels each space keeps, for many candidates at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.passes.axis_table import AxisTable
from compressor.passes.labels import LabelStore
from compressor.passes.spaces import Space

Lengths = NDArray[np.float64]
Widths = NDArray[np.int64]


class AxisLengths:
    """The rows of an ``AxisTable`` as sums of products of kept shares.

    An index goes with the channels of one space, or of several at once (a head and a place in it). Indices of an axis
    that hang on the same spaces are one term: their number times the share that each of those spaces keeps. Of two
    spaces that cross (heads and places in them) that is exact, whichever channels go.
    """

    def __init__(self, table: AxisTable, store: LabelStore, spaces: Sequence[Space]) -> None:
        self.sizes: Widths = np.array([space.size for space in spaces], np.int64)
        owner = np.full(len(store), len(spaces), np.int64)
        for number, space in enumerate(spaces):
            owner[space.atoms] = number
        row_of, columns = table.indices()
        if not row_of.size:
            self._terms = np.zeros((0, 1), np.int64)
            self._counts = np.zeros(0)
            self._rows = np.zeros(0, np.int64)
            return
        atoms = np.sort(np.stack(columns, axis=1), axis=1)
        atoms[:, 1:][atoms[:, 1:] == atoms[:, :-1]] = 0  # an index goes but once with each atom
        owners = np.where(atoms == 0, len(spaces), owner[atoms])
        owners.sort(axis=1)
        keys, counts = np.unique(np.column_stack([row_of, owners]), axis=0, return_counts=True)
        self._rows, self._terms, self._counts = keys[:, 0], keys[:, 1:], counts.astype(np.float64)

    def lengths(self, widths: NDArray[np.int64]) -> Lengths:
        """Float64 [candidates, rows] for kept channels ``widths`` [candidates, spaces]."""
        if not self._rows.size:
            return np.zeros((len(widths), 0))
        shares = np.concatenate([widths / self.sizes, np.ones((len(widths), 1))], axis=1)
        terms = self._counts * np.prod(shares[:, self._terms], axis=2)
        starts = np.flatnonzero(np.diff(self._rows, prepend=-1))
        return np.asarray(np.rint(np.add.reduceat(terms, starts, axis=1)))

    def repeats(self) -> list[tuple[int, int, int]]:
        """(row, space, indices of the row for each channel) wherever only that one space decides."""
        alone = (self._terms != len(self.sizes)).sum(axis=1) == 1
        found = []
        for row, spaces, count in zip(self._rows[alone], self._terms[alone], self._counts[alone], strict=True):
            space = int(spaces.min())
            found.append((int(row), space, max(1, round(count / self.sizes[space]))))
        return found
