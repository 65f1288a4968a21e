"""Scores of the channels that are left, told in the labels of the graph before anything went.

A schedule scores the graph as it stands after each step, and cuts the graph with all its channels. Both graphs read
the same initializers at the same nodes, one of them less the indices that went: index by index, that says which atom
of the smaller graph is which atom of the whole one.
"""

from __future__ import annotations

import numpy as np

from compressor.passes.analysis import Analysis, analyse
from compressor.passes.labels import Labels, is_fixed
from compressor.passes.rewrite import removal_of, remove_and_match
from compressor.passes.scores import Criterion, ScoreContext
from compressor.passes.slices import Combine, Scores
from compressor.passes.statistics import Statistics


def scores_without(
    analysis: Analysis, gone: Labels, criterion: Criterion, *, seed: int = 0, statistics: Statistics | None = None,
    combine: Combine = "sum",
) -> Scores:  # fmt: skip
    """Float64 [label ids of ``analysis``]: what the criterion says of the graph without ``gone``.

    +inf where it says nothing: atoms that are gone, and those that may not go any more (the last of its axis).

    Args:
        analysis: of the graph with all its channels.
        gone: atoms; with none, the criterion is asked about the graph itself.
        criterion, seed, statistics, combine: see ``ScoreContext``.
    """
    if not gone.size:
        return criterion(ScoreContext(analysis, seed, statistics, combine))
    graph, matching = remove_and_match(analysis, gone)
    smaller = analyse(graph)
    found = criterion(ScoreContext(smaller, seed, statistics, combine))
    numbers = {id(node): number for number, node in enumerate(smaller.nodes)}
    places = {index: numbers[id(node)] for index, node in enumerate(matching) if id(node) in numbers}
    whole, part = _correspondence(analysis, smaller, gone, places)
    scores = np.full(len(analysis.state.store), np.inf)
    scores[whole] = found[part]
    return scores


def _correspondence(analysis: Analysis, smaller: Analysis, gone: Labels, places: dict[int, int]) -> tuple[Labels, ...]:
    """(atoms of ``analysis``, the same atoms in ``smaller``), each atom once."""
    removal = removal_of(analysis, gone)
    wholes, parts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for (index, slot), axes in analysis.state.uses.items():
        theirs = smaller.state.uses.get((places.get(index, -1), slot))
        if theirs is None:
            continue
        masks = removal.input_masks(index, slot, analysis.nodes[index].inputs[slot])
        for labels, mask, their in zip(axes, masks, theirs, strict=True):
            kept = labels if mask is None else labels[mask]
            if is_fixed(labels) or is_fixed(their) or kept.size != their.size:
                continue
            one, other = _columns(analysis, kept), _columns(smaller, their)
            if len(one) == len(other):
                wholes += one
                parts += other
    whole, part = np.concatenate(wholes), np.concatenate(parts)
    whole, first = np.unique(whole, return_index=True)
    part = part[first]
    free = (whole != 0) & (part != 0)
    return whole[free], part[free]


def _columns(analysis: Analysis, labels: Labels) -> list[Labels]:
    """The atoms of each label, kind by kind; a kind of which one is left, or none may go, tells nothing apart."""
    return [column for column in analysis.state.store.flatten(labels) if np.unique(column).size > 1]
