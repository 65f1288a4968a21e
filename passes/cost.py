"""Parameters and multiply-accumulates of the graph that a removal would give, without building it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.passes.analysis import Analysis, is_float
from compressor.passes.axis_table import AxisTable
from compressor.passes.labels import Labels

NO_ATOMS: Labels = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Cost:
    """Counts of one candidate.

    Attributes:
        params: elements of all floating-point initializers.
        macs: multiply-accumulates of one sample (symbolic sizes other than the batch as probed).
        channels: removable atoms that are kept.
    """

    params: int
    macs: int
    channels: int


@dataclass(frozen=True)
class _Term:
    owner: str
    constant: float
    rows: tuple[int, ...]


class CostModel:
    """Evaluates any removal in well under a millisecond per hundred distinct axes."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        self.table = AxisTable(analysis.state.store)
        self._params = self._parameter_rows()
        self._macs = self._work_terms()
        for axes in analysis.state.tensors.values():  # so that ``protect`` sees activations too
            for labels in axes:
                self.table.add(labels)
        self._atoms = (
            np.concatenate([space.atoms for space in analysis.spaces]) if analysis.spaces else np.zeros(0, np.int64)
        )

    def _parameter_rows(self) -> dict[str, list[tuple[int, ...]]]:
        """Rows of every distinct use of every floating-point initializer."""
        nodes, probe = self._analysis.nodes, self._analysis.probes[0]
        found: dict[str, dict[tuple[int, ...], None]] = {}
        for (node, slot), axes in self._analysis.state.uses.items():
            tensor = nodes[node].inputs[slot]
            if is_float(probe, tensor.name):
                uses = found.setdefault(tensor.name, {})
                if tensor.name in self._analysis.state.whole:
                    uses[tuple(-1 - labels.size for labels in axes)] = None
                uses[tuple(self.table.add(labels) for labels in axes)] = None
        return {name: list(uses) for name, uses in found.items()}

    def _work_terms(self) -> list[_Term]:
        batch = batch_size(self._analysis)
        return [
            _Term(self._analysis.nodes[work.node].name, work.constant / batch, tuple(map(self.table.add, work.axes)))
            for work in self._analysis.state.work
        ]

    def _elements(self, rows: tuple[int, ...], kept: NDArray[np.int64]) -> int:
        return math.prod(self.table.length(row, kept) for row in rows)

    def _params_by_owner(self, gone: NDArray[np.bool_], kept: NDArray[np.int64]) -> dict[str, int]:
        """Uses of one initializer that keep the same indices share it, as the rewrite has them do."""
        marks = self.table.marks(gone)
        counts: dict[str, int] = {}
        for owner, uses in self._params.items():
            slices = {tuple(int(marks[row]) if row >= 0 else 0 for row in rows): rows for rows in uses}
            counts[owner] = sum(self._elements(rows, kept) for rows in slices.values())
        return counts

    def _macs_of(self, terms: list[_Term], kept: NDArray[np.int64]) -> int:
        return round(sum(term.constant * self._elements(term.rows, kept) for term in terms))

    def gone(self, atoms: Labels) -> NDArray[np.bool_]:
        """Mark of every label id: whether it is among ``atoms``."""
        mark = np.zeros(len(self._analysis.state.store), np.bool_)
        mark[atoms] = True
        return mark

    def cost(self, atoms: Labels) -> Cost:
        """Counts after removing ``atoms``."""
        gone = self.gone(atoms)
        kept = self.table.kept(gone)
        return Cost(
            sum(self._params_by_owner(gone, kept).values()),
            self._macs_of(self._macs, kept),
            int(self._atoms.size - np.isin(self._atoms, atoms).sum()),
        )

    def by_owner(self, atoms: Labels) -> tuple[dict[str, int], dict[str, int]]:
        """Parameters by initializer and MACs by node after removing ``atoms``."""
        gone = self.gone(atoms)
        kept = self.table.kept(gone)
        macs: dict[str, int] = {}
        for term in self._macs:
            macs[term.owner] = macs.get(term.owner, 0) + self._macs_of([term], kept)
        return self._params_by_owner(gone, kept), macs

    def protect(self, atoms: Labels, already: Labels = NO_ATOMS) -> Labels:
        """``atoms`` less those that must stay so that no axis of any tensor is emptied.

        Args:
            atoms: what is to go.
            already: those of them that went before, which emptied nothing and do not come back.
        """
        gone, before = self.gone(atoms), self.gone(already)
        while True:
            emptied = list(self.table.emptied(gone))
            if not emptied:
                return np.flatnonzero(gone)
            for labels in emptied:
                free = labels[~self._analysis.state.store.removed(before, labels)] if already.size else labels
                gone[self._analysis.state.store.atoms(free[:1])] = False


def batch_size(analysis: Analysis) -> int:
    """Probed size of the leading symbolic dimension of the first input (1 when static)."""
    probe, other = analysis.probes
    for tensor in analysis.graph.inputs:
        shape = probe.shapes[tensor.name]
        if shape and shape[0] != other.shapes[tensor.name][0]:
            return shape[0]
        return 1
    return 1
