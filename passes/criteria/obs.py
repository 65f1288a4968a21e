"""Optimal brain surgeon for whole channels, layer by layer, on calibration data.

Hassibi and Stork (NIPS 1992); with the Hessian of a layer's reconstruction error it is Optimal Brain Compression
(Frantar and Alistarh, arXiv:2208.11580); with blocks for structures, ZipLM (Kurtic et al., arXiv:2302.04089).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from compressor.passes.products import Product, products_of
from compressor.passes.scores import ScoreContext, criterion
from compressor.passes.sensitivity import Sensitivities
from compressor.passes.slices import Combine, Reduction, Scores
from compressor.passes.spaces import Space
from compressor.passes.statistics import Moments
from compressor.passes.surgeon import Surgeon
from compressor.tensor_values import peek

STEPS = 64
"""In how many steps the channels of a space go: one at a time in spaces of up to so many."""

_BYTES = 1 << 29  # of covariances held at once; spaces beyond it take another walk over the data


@criterion("obs", needs=("activations",), comparable=True)
def obs(context: ScoreContext) -> Scores:
    """score = the output error when this channel and all that rank below it are gone and all other weights adjust.

    Channels of a space go one after another, the cheapest first: slice = tr(W_S (H^-1_SS)^-1 W_S^T) / tr(W0 H W0^T) of
    a layer that reads the channel, times the layer's sensitivity: W [outputs that stay, numbers of a row] its weights,
    H^-1 the inverse covariance of its rows (centred: the bias takes the mean), both as the removals before left them,
    S the columns that read the channel. The combined slices add up along the order. The unit is the error of the
    network's outputs relative to their variance, to first order (see ``sensitivity``), so scores compare across spaces.

    Where no weight reads a space (queries and keys meet each other), a slice is instead the channel's own share of the
    output variance of the layer that makes it, weighted alike. Float64 [label ids].
    """
    scores = np.zeros(len(context.analysis.state.store))
    sensitivities = Sensitivities(context, products_of(context.analysis))
    for spaces, products in _in_memory(context):
        readers: dict[int, list[Surgeon]] = {}
        makers = context.reduction()
        for product, moments in context.statistics.moments(context.analysis, products):
            readers[product.node] = _surgeons(context, product, moments, makers, sensitivities)
        made = makers.scores()
        for space, nodes in spaces:
            concerned = [surgeon for node in nodes for surgeon in readers[node]]
            surgeons = [surgeon.copy() for surgeon in concerned if surgeon.errors(space.atoms)[0].size]
            scores[space.atoms] = _in_order(context, space, surgeons) if surgeons else _added_up(made[space.atoms])
    return scores


def _surgeons(
    context: ScoreContext, product: Product, moments: Moments, makers: Reduction, sensitivities: Sensitivities
) -> list[Surgeon]:
    """One for each group of a layer that says anything; ``makers`` gets the shares of the channels that it makes."""
    values = peek(context.analysis.nodes[product.node].inputs[product.weight])
    matrices = product.matrices(np.asarray(values, np.float64))
    energies = np.einsum("gok,gkl,gol->go", matrices, moments.covariance, matrices, optimize=True)
    unit = float(energies.sum())
    if unit <= 0:
        return []  # nothing varies here, so nothing can be lost
    weight = sensitivities.of(product, moments, unit) / unit
    makers.add(product.output_labels(context.analysis).reshape(-1), energies.reshape(-1) * weight)
    store = context.analysis.state.store
    rows, outputs = product.row_labels(context.analysis), product.output_labels(context.analysis)
    return [
        Surgeon.on(store, rows[group], outputs[group], matrix * np.sqrt(weight), moments.covariance[group])
        for group, matrix in enumerate(matrices)
    ]


def _in_order(context: ScoreContext, space: Space, surgeons: list[Surgeon]) -> Scores:
    """Error [atoms of the space] at which each atom goes."""
    left, lost = space.atoms, 0.0
    found = np.zeros(len(context.analysis.state.store))
    together = -(-space.size // STEPS)
    said = [surgeon.errors(left) for surgeon in surgeons]
    while left.size:
        reduction = context.reduction()
        for atoms, alone in said:
            reduction.add(atoms, alone)
        errors = reduction.scores()[left]
        chosen = np.argsort(errors, kind="stable")[:together]
        costs = [surgeon.remove(left[chosen]) for surgeon in surgeons]
        joint = _combined(costs, context.combine)
        # Of those that go together, each gets its part of what all of them cost.
        parts = np.cumsum(errors[chosen])
        found[left[chosen]] = lost + (joint * parts / parts[-1] if parts[-1] > 0 else 0.0)
        lost += joint
        left = np.delete(left, chosen)
        said = [old if cost is None else s.errors(left) for s, cost, old in zip(surgeons, costs, said, strict=True)]
    return found[space.atoms]


def _combined(errors: list[float | None], combine: Combine) -> float:
    said = [error for error in errors if error is not None]
    if not said:
        return 0.0
    return {"sum": sum(said), "mean": sum(said) / len(said), "max": max(said)}[combine]


def _added_up(shares: Scores) -> Scores:
    """Each number plus all smaller ones."""
    order = np.argsort(shares, kind="stable")
    totals = np.empty_like(shares)
    totals[order] = np.cumsum(shares[order])
    return totals


def _in_memory(context: ScoreContext) -> Iterator[tuple[list[tuple[Space, list[int]]], list[Product]]]:
    """Spaces with the nodes that read them, and all products that they need; as many at once as memory allows."""
    analysis = context.analysis
    products = {product.node: product for product in products_of(analysis)}
    store = analysis.state.store
    reads = {node: store.atoms(product.row_labels(analysis).reshape(-1)) for node, product in products.items()}
    makes = {node: store.atoms(product.output_labels(analysis).reshape(-1)) for node, product in products.items()}
    together: list[tuple[Space, list[int]]] = []
    wanted: set[int] = set()
    for space in analysis.spaces:
        readers = [node for node, atoms in reads.items() if np.isin(space.atoms, atoms).any()]
        needed = readers or [node for node, atoms in makes.items() if np.isin(space.atoms, atoms).any()]
        held = sum(products[node].covariance_bytes(analysis) for node in wanted | set(needed))
        if together and held > _BYTES:
            yield together, [products[node] for node in sorted(wanted)]
            together, wanted = [], set()
        together.append((space, readers))
        wanted |= set(needed)
    if together:
        yield together, [products[node] for node in sorted(wanted)]
