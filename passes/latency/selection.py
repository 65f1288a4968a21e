"""Which atoms go so that budgets are met: widths by the knapsack, in each space the lowest-scored channels."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from compressor.errors import NothingToPruneError
from compressor.passes.analysis import Analysis
from compressor.passes.branches import Branches
from compressor.passes.cost import NO_ATOMS, CostModel
from compressor.passes.labels import Labels
from compressor.passes.latency.axis_lengths import AxisLengths, Lengths
from compressor.passes.latency.knapsack import Budget, Choices, best_widths
from compressor.passes.selection import Options, Selection, candidates, hints, removable
from compressor.passes.slices import Scores
from compressor.passes.spaces import Space

Floats = NDArray[np.float64]
_MANY = 48  # choices of a space, beyond which steps are left out
_FINE = 4  # steps that a space must have to be cut in whole ones


def select_within(
    analysis: Analysis,
    model: CostModel,
    scores: Scores,
    budgets: Mapping[str, tuple[float, Callable[[Lengths], Floats]]],
    options: Options,
    *,
    gone: Labels = NO_ATOMS,
    steps: Mapping[int, int] | None = None,
) -> Selection:
    """The atoms whose removal meets all budgets and loses the least.

    Args:
        scores: float64 [label ids]; a space with a score of +inf loses nothing (more).
        budgets: by name with unit: the limit, and the cost of float64 [candidates, rows] lengths of ``model.table``.
        options: ``floor`` of every space stays, in any scope, but for a branch that may go whole; ``round_to`` holds
            beside the runtime's steps.
        gone: atoms that earlier steps took.
        steps: by row of the table, the multiple in which its cost rises.

    Raises:
        NothingToPruneError: no space may lose a channel, or the budgets cannot be met.
    """
    spaces = [s for s in candidates(analysis, options) if np.isfinite(_left(s, scores, gone)).all()]
    if not spaces:
        raise NothingToPruneError(
            "no channel can be removed from this model",
            fix="Run `compressor inspect` to see what holds each axis" + hints(analysis, options),
        )
    lengths = AxisLengths(model.table, analysis.state.store, analysis.spaces)
    places = [index for index, space in enumerate(analysis.spaces) if any(space is one for one in spaces)]
    now = np.array([s.size - np.isin(s.atoms, gone).sum() for s in analysis.spaces], np.int64)
    blocks = block_sizes(lengths, steps or {})
    branches = Branches.of(analysis) if options.drop_branches else None
    unread = {} if branches is None else branches.spaces()
    choices = [
        _choices(s, scores, gone, options, int(blocks[p]), p in unread) for s, p in zip(spaces, places, strict=True)
    ]

    def of_all(widths: NDArray[np.int64]) -> Lengths:
        whole = np.repeat(now[None], len(widths), axis=0)
        whole[:, places] = widths
        for number, others in unread.items():
            whole[np.ix_(whole[:, number] == 0, others)] = 0
        return lengths.lengths(whole)

    asked = [Budget(name, limit, _costing(cost, of_all)) for name, (limit, cost) in budgets.items()]
    widths = best_widths(choices, asked)
    parts = [gone, *(_lowest(s, scores, gone, int(w)) for s, w in zip(spaces, widths, strict=True))]
    atoms = removable(model, np.unique(np.concatenate(parts)), gone, branches)
    return Selection(atoms, model.cost(NO_ATOMS), model.cost(atoms))


def exact_lengths(model: CostModel, atoms: Labels) -> Lengths:
    """Float64 [1, rows]: the lengths of all axes without ``atoms``."""
    return model.table.kept(model.gone(atoms)).astype(np.float64)[None]


def block_sizes(lengths: AxisLengths, steps: Mapping[int, int]) -> NDArray[np.int64]:
    """Int64 [spaces]: the least number of channels that fills whole steps on every axis that a space runs along."""
    found = np.ones(len(lengths.sizes), np.int64)
    for row, space, repeat in lengths.repeats():
        step = steps.get(row, 1)
        found[space] = max(int(found[space]), step // math.gcd(step, repeat))
    return found


def _costing(
    cost: Callable[[Lengths], Floats], of_all: Callable[[NDArray[np.int64]], Lengths]
) -> Callable[[NDArray[np.int64]], Floats]:
    return lambda widths: cost(of_all(widths))


def _left(space: Space, scores: Scores, gone: Labels) -> Scores:
    return scores[space.atoms[~np.isin(space.atoms, gone)]]


def _choices(
    space: Space, scores: Scores, gone: Labels, options: Options, block: int, whole: bool
) -> Choices:  # fmt: skip
    """Multiples of the block, what there is, and none if all may go; worth is the sum of what is kept, best first."""
    own = np.sort(_left(space, scores, gone))[::-1]
    if options.normalise is not False:
        own = own / (own.mean() or 1.0)
    most, least = own.size, min(own.size, max(1, math.ceil(options.floor * space.size)))
    while block > 1 and most < _FINE * block:
        block //= 2  # a space of few steps is cut more finely: the cost of its odd widths is known too
    block = math.lcm(block, options.round_to)
    every = block * max(1, -(-(most // block) // _MANY))
    widths = np.unique([*([0] if whole else []), *range(-(-least // every) * every, most, every), most])
    worth = np.concatenate([[0.0], np.cumsum(own)])[widths]
    return Choices(widths.astype(np.int64), worth)


def _lowest(space: Space, scores: Scores, gone: Labels, width: int) -> Labels:
    """The lowest-scored atoms beyond the best ``width``."""
    left = space.atoms[~np.isin(space.atoms, gone)]
    order = np.argsort(scores[left], kind="stable")
    return np.asarray(left[order[: left.size - width]])


def steps_by_row(axes: Sequence[tuple[str, Sequence[int]]], steps: Mapping[str, int]) -> dict[int, int]:
    """The largest step of all ops that work along each row.

    Args:
        axes: (type of op, rows) of every unit.
        steps: by type of op.
    """
    found: dict[int, int] = {}
    for op, rows in axes:
        for row in rows:
            found[row] = max(found.get(row, 1), steps.get(op, 1))
    return found
