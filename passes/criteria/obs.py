"""Optimal brain surgeon for whole channels, layer by layer, on calibration data.

Hassibi and Stork (NIPS 1992); the layer-wise form with the Hessian of the reconstruction error is Optimal Brain
Compression (Frantar and Alistarh, arXiv:2208.11580), its blocks for structures ZipLM (Kurtic et al., arXiv:2302.04089).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from compressor.passes.labels import FIXED, Labels, LabelStore
from compressor.passes.products import Product, products_of
from compressor.passes.scores import ScoreContext, criterion
from compressor.passes.slices import Reduction, Scores
from compressor.passes.statistics import Moments
from compressor.tensor_values import peek

RIDGE = 1e-3
"""Added to the diagonal of the covariance, relative to its mean: inputs that never vary have no inverse."""

Floats = NDArray[np.float64]


@criterion("obs", needs=("activations",), comparable=True)
def obs(context: ScoreContext) -> Scores:
    """slice = tr(W_S (H^-1_SS)^-1 W_S^T) / tr(W H W^T): the output error that is left when all other weights adjust.

    W [outputs, numbers of a row] is a layer that reads the channel, S its columns that do, H the covariance of its
    rows (centred: the bias takes the mean). The unit is the layer's output variance, so numbers compare across layers.
    Where no weight reads a space (queries and keys meet each other), a slice is instead the channel's own share of
    the output variance of the layer that makes it. Float64 [label ids].
    """
    readers, makers = context.reduction(), context.reduction()
    products = products_of(context.analysis)
    for product, moments in context.statistics.moments(context.analysis, products):
        _add(context, product, moments, readers, makers)
    read, made = readers.scores(), makers.scores()
    for space in context.analysis.spaces:
        if not read[space.atoms].any():
            read[space.atoms] = made[space.atoms]
    return read


def _add(context: ScoreContext, product: Product, moments: Moments, readers: Reduction, makers: Reduction) -> None:
    """One layer's part in both reductions, in the unit of its output variance."""
    values = peek(context.analysis.nodes[product.node].inputs[product.weight])
    matrices = product.matrices(np.asarray(values, np.float64))
    energies = np.einsum("gok,gkl,gol->go", matrices, moments.covariance, matrices, optimize=True)
    unit = float(energies.sum())
    if unit <= 0:
        return  # nothing varies here, so nothing is lost
    makers.add(product.output_labels(context.analysis).reshape(-1), energies.reshape(-1) / unit)
    store = context.analysis.state.store
    labels = product.row_labels(context.analysis)
    for group, matrix in enumerate(matrices):
        atoms, errors = removal_errors(store, labels[group], matrix, moments.covariance[group])
        readers.add(atoms, errors / unit)


def removal_errors(store: LabelStore, labels: Labels, matrix: Floats, covariance: Floats) -> tuple[Labels, Floats]:
    """(atoms, output error of removing each) of one matrix whose columns have these labels.

    Args:
        labels: int64 [columns].
        matrix: [outputs, columns].
        covariance: [columns, columns] of what the columns multiply.
    """
    size = covariance.shape[0]
    ridge = RIDGE * float(np.trace(covariance)) / size or 1.0
    inverse = np.linalg.inv(covariance + ridge * np.eye(size))
    found: list[tuple[Labels, Floats]] = []
    for atoms, columns in _columns_of(store, labels):
        blocks = inverse[columns[:, :, None], columns[:, None, :]]  # [atoms, columns, columns]
        weights = matrix[:, columns].transpose(1, 2, 0)  # [atoms, columns, outputs]
        found.append((atoms, np.einsum("aso,aso->a", weights, np.linalg.solve(blocks, weights))))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0)
    return np.concatenate([a for a, _ in found]), np.concatenate([e for _, e in found])


def _columns_of(store: LabelStore, labels: Labels) -> Iterator[tuple[Labels, Labels]]:
    """(atoms [n], columns [n, m]) for each number m of columns that some atoms occur in."""
    parts = store.flatten(labels)
    atoms = np.concatenate(parts)
    columns = np.tile(np.arange(labels.size), len(parts))[atoms != FIXED]
    atoms = atoms[atoms != FIXED]
    order = np.argsort(atoms, kind="stable")
    atoms, columns = atoms[order], columns[order]
    distinct, starts, counts = np.unique(atoms, return_index=True, return_counts=True)
    for count in np.unique(counts):
        chosen = counts == count
        yield distinct[chosen], columns[starts[chosen][:, None] + np.arange(count)]
