"""A plan put to work on an analysis: groups of convolutions aligned first, then the atoms that go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from compressor.errors import PlanError
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.group_alignment import Grouping, align, find_groupings, importance
from compressor.passes.labels import Labels
from compressor.passes.plan import Plan, SpaceCut, atoms_of

Orders = Mapping[str, NDArray[np.int64]]


def best_orders(
    analysis: Analysis, gone: Iterable[SpaceCut] = (), worths: Mapping[str, NDArray[np.float64]] | None = None
) -> Orders:
    """For every space of positions inside groups: int [groups, width], most important first in each group.

    Args:
        analysis: of the graph with all its channels.
        gone: cuts made before; their positions come last: then they are the last atoms of their space.
        worths: by space, float64 [groups, width], as ``position_scores`` gives them; where there is none, the sum of
            the weights' magnitudes.
    """
    before = {cut.name: cut.groups for cut in gone if cut.groups is not None}
    orders = {}
    for name, grouping in find_groupings(analysis).items():
        told = (worths or {}).get(name)
        worth = importance(analysis, grouping) if told is None else told.copy()
        for row, positions in zip(worth, before.get(name, ()), strict=False):
            row[positions] = -np.inf
        orders[name] = np.argsort(-worth, axis=1, kind="stable")
    return orders


def aligned(analysis: Analysis, orders: Orders) -> Analysis:
    """The analysis of the same function with the groups in these orders."""
    return analyse(align(analysis, orders)) if orders else analysis


def in_original_positions(cut: SpaceCut, orders: Orders) -> SpaceCut:
    """A cut of an aligned space told in the positions that the model's file has."""
    order = orders.get(cut.name)
    if order is None:
        return cut
    groups = [sorted(row[cut.removed].tolist()) for row in order]
    last = list(range(cut.size - len(cut.removed), cut.size))
    return cut.model_copy(update={"removed": last, "groups": groups})


def realise(plan: Plan, analysis: Analysis, digest: str) -> tuple[Analysis, Labels]:
    """The analysis to cut (the one given, unless groups must be aligned first) and the atoms that go.

    Raises:
        PlanError: made for another graph, or it does not fit.
    """
    atoms_of(plan, analysis, digest)  # refuses a plan that does not fit before anything is moved
    analysis = aligned(analysis, orders_of(plan, analysis))
    return analysis, atoms_of(plan, analysis, digest)


def orders_of(plan: Plan, analysis: Analysis) -> Orders:
    """How ``realise`` aligns groups: what stays first, what goes last, each in the order of the file."""
    groupings = find_groupings(analysis) if any(cut.groups is not None for cut in plan.cuts) else {}
    return {cut.name: _order(cut, groupings) for cut in plan.cuts if cut.groups is not None}


def _order(cut: SpaceCut, groupings: Mapping[str, Grouping]) -> NDArray[np.int64]:
    grouping, groups = groupings.get(cut.name), cut.groups or []
    if grouping is None or len(groups) != grouping.groups:
        raise PlanError("the plan chooses positions group by group where the graph has no such groups", where=cut.name)
    everything, count = np.arange(grouping.width), len(cut.removed)
    if cut.removed != list(range(cut.size - count, cut.size)):
        raise PlanError("positions chosen group by group must be counted from the end", where=cut.name)
    rows = []
    for removed in groups:
        if len(removed) != count or len(set(removed)) != count or not set(removed) <= set(everything.tolist()):
            raise PlanError(f"a group does not name {count} distinct positions below {cut.size}", where=cut.name)
        rows.append(np.concatenate([np.setdiff1d(everything, removed), np.sort(removed)]).astype(np.int64))
    return np.stack(rows)
