"""One layer under the optimal brain surgeon: columns go, the other weights make up for them as well as they can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compressor.passes.labels import FIXED, Labels, LabelStore

Floats = NDArray[np.float64]

RIDGE = 1e-3
"""Added to the diagonal of the covariance, relative to its mean: inputs that never vary have no inverse."""


@dataclass
class Surgeon:
    """A matrix W [outputs, columns] that rows of covariance H are multiplied by, less what was removed.

    Attributes:
        store: of the labels.
        labels: int64 [columns]: the channel that each column that is left reads.
        outputs: int64 [outputs]: the channel that each row that is left makes. What goes along does not count as lost.
        matrix: the weights that are left, adjusted.
        inverse: (H + ridge)^-1 of the columns that are left, the removed ones eliminated.
    """

    store: LabelStore
    labels: Labels
    outputs: Labels
    matrix: Floats
    inverse: Floats

    @classmethod
    def on(
        cls, store: LabelStore, labels: Labels, outputs: Labels, matrix: Floats, covariance: Floats
    ) -> Surgeon:  # fmt: skip
        """With nothing removed."""
        size = covariance.shape[0]
        ridge = RIDGE * float(np.trace(covariance)) / size or 1.0
        return cls(store, labels, outputs, matrix, np.linalg.inv(covariance + ridge * np.eye(size)))

    def copy(self) -> Surgeon:
        """Another that removals from this one do not touch."""
        # Arrays are replaced, never written to.
        return Surgeon(self.store, self.labels, self.outputs, self.matrix, self.inverse)

    def errors(self, atoms: Labels) -> tuple[Labels, Floats]:
        """(atoms that a column reads and some output does not, the error of removing each alone), of those given.

        Errors are squared and summed over the outputs that stay.
        """
        makers = self.store.flatten(self.outputs)
        found: list[tuple[Labels, Floats]] = []
        for some, columns in self._columns(atoms):
            blocks = self.inverse[columns[:, :, None], columns[:, None, :]]  # [atoms, columns, columns]
            weights = self.matrix[:, columns].transpose(1, 2, 0)  # [atoms, columns, outputs]
            stay = np.logical_and.reduce([column != some[:, None] for column in makers])  # [atoms, outputs]
            lost = np.einsum("aso,aso,ao->a", weights, np.linalg.solve(blocks, weights), stay, optimize=True)
            matters = stay.any(axis=1)
            found.append((some[matters], lost[matters]))
        if not found:
            return np.zeros(0, np.int64), np.zeros(0)
        return np.concatenate([a for a, _ in found]), np.concatenate([e for _, e in found])

    def remove(self, atoms: Labels) -> float | None:
        """Remove the columns that read ``atoms``, adjust the rest; the error, None where there are no such columns."""
        gone = np.zeros(len(self.store), np.bool_)
        gone[atoms] = True
        out = self.store.removed(gone, self.labels)
        stay = ~self.store.removed(gone, self.outputs)
        self.matrix, self.outputs = self.matrix[stay], self.outputs[stay]
        if not out.any() or not stay.any():
            return None
        block, weights = self.inverse[np.ix_(out, out)], self.matrix[:, out]
        spread = np.linalg.solve(block, weights.T)  # [removed, outputs]
        across = np.linalg.solve(block, self.inverse[np.ix_(out, ~out)])
        error = float(np.einsum("so,os->", spread, weights))
        self.matrix = self.matrix[:, ~out] - weights @ across
        self.inverse = self.inverse[np.ix_(~out, ~out)] - self.inverse[np.ix_(~out, out)] @ across
        self.labels = self.labels[~out]
        return error

    def _columns(self, wanted: Labels) -> Iterator[tuple[Labels, Labels]]:
        """(atoms [n], columns [n, m]) for each number m of columns that some of the ``wanted`` atoms occur in."""
        parts = self.store.flatten(self.labels)
        atoms = np.concatenate(parts)
        columns = np.tile(np.arange(self.labels.size), len(parts))
        mine = (atoms != FIXED) & np.isin(atoms, wanted)
        order = np.argsort(atoms[mine], kind="stable")
        atoms, columns = atoms[mine][order], columns[mine][order]
        distinct, starts, counts = np.unique(atoms, return_index=True, return_counts=True)
        for count in np.unique(counts):
            chosen = counts == count
            yield distinct[chosen], columns[starts[chosen][:, None] + np.arange(count)]
