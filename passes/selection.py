"""Which atoms go: an order of all atoms, of which a target takes a prefix.

Every scope is an order. Removing ever longer prefixes only shrinks the model, so the target is met
by bisection on the exact cost, to within one channel's worth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from compressor.errors import NothingToPruneError, UsageError
from compressor.passes.analysis import Analysis
from compressor.passes.branches import Branches
from compressor.passes.cost import NO_ATOMS, Cost, CostModel
from compressor.passes.excluding import without_excluded
from compressor.passes.labels import Labels
from compressor.passes.slices import Combine, Scores
from compressor.passes.spaces import Space

Metric: TypeAlias = Literal["channels", "params", "macs", "size", "memory", "latency", "energy"]
"""What a target counts; latency and energy are met by measuring, in the pipeline."""
COUNTED: Mapping[str, str] = {
    "channels": "channels", "params": "params", "macs": "macs", "size": "weight_bytes", "memory": "peak_bytes",
}  # fmt: skip
"""Where a ``Cost`` (or a plan's counts) has what a metric counts."""
Scope: TypeAlias = Literal["per-space", "global", "global-floor"]


@dataclass(frozen=True)
class Target:
    """Keep this share of a metric: 0.5 of ``macs`` means half of the multiply-accumulates stay."""

    metric: Metric
    keep: float

    def __post_init__(self) -> None:
        if self.metric not in get_args(Metric):
            raise UsageError(f"unknown metric {self.metric!r}", fix=f"Known: {', '.join(get_args(Metric))}.")
        if not (math.isfinite(self.keep) and 0 < self.keep < 1):
            raise UsageError(
                f"--{self.metric} {self.keep:g} is not between 0 and 1",
                fix="Give the share to keep, for example 0.5 for half.",
            )


def counted(counts: Any, metric: str) -> float:
    """What ``metric`` counts of a ``Cost``, or of a plan's counts.

    Raises:
        UsageError: it is met by measuring, or was not counted.
    """
    found = getattr(counts, COUNTED[metric]) if metric in COUNTED else None
    if found is None:
        raise UsageError(f"{metric} is not counted here", fix=f"Counted: {', '.join(COUNTED)}; memory needs sizes.")
    return float(found)


@dataclass(frozen=True)
class Options:
    """How atoms are ordered and rounded.

    Attributes:
        scope: "per-space" takes the same share of every space; "global" ranks all atoms together;
            "global-floor" does so but keeps ``floor`` of every space.
        floor: share of every space that stays in scope "global-floor".
        round_to: kept sizes of spaces are rounded up to multiples of this (runtimes have steps).
        allow_width: spaces that an op normalises over may be cut too.
        align_groups: positions inside the groups of a convolution are chosen group by group.
        combine: what makes one score of a channel's coupled slices.
        exclude: parameters or nodes whose channels stay; see ``excluding``.
        drop_branches: a branch that is added to, or multiplied by, something else may lose all its channels: a constant
            stands in for it (see ``branches``). In scope "per-space" none does, but for a latency or an energy.
        normalise: in the global scopes, divide each score by the mean of its space; None does so unless the
            criterion's scores compare across spaces.
    """

    scope: Scope = "per-space"
    floor: float = 0.1
    round_to: int = 1
    allow_width: bool = False
    align_groups: bool = True
    combine: Combine = "sum"
    normalise: bool | None = None
    exclude: tuple[str, ...] = ()
    drop_branches: bool = False

    def __post_init__(self) -> None:
        if self.scope not in get_args(Scope):
            raise UsageError(f"unknown scope {self.scope!r}", fix=f"Known: {', '.join(get_args(Scope))}.")
        if self.combine not in get_args(Combine):
            raise UsageError(f"unknown combination {self.combine!r}", fix=f"Known: {', '.join(get_args(Combine))}.")
        if not 0 <= self.floor < 1:
            raise UsageError(
                f"floor {self.floor:g} is not in [0, 1)", fix="Give the share of each space that must stay."
            )
        if self.round_to < 1:
            raise UsageError(f"round-to {self.round_to} is below 1", fix="Give a positive number of channels.")


@dataclass(frozen=True)
class Selection:
    """The outcome.

    Attributes:
        atoms: label ids that go.
        before, after: counts of the model without and with the removal.
    """

    atoms: Labels
    before: Cost
    after: Cost


def candidates(analysis: Analysis, options: Options) -> list[Space]:
    """Spaces that may lose atoms."""
    spaces = without_excluded(analysis.spaces, options.exclude)
    return [space for space in spaces if space.size > 1 and (options.allow_width or not space.soft)]


def select(
    analysis: Analysis, model: CostModel, scores: Scores, target: Target, options: Options, gone: Labels = NO_ATOMS
) -> Selection:
    """The lowest-scored atoms whose removal meets the target.

    Args:
        analysis: of the graph.
        model: its costs.
        target: what to keep, of which metric.
        options: which spaces may be cut, and in which order.
        scores: float64 [label ids]; a space with a score of +inf loses nothing (more).
        gone: atoms that earlier steps took; they are part of the outcome, and of the share that the target counts.

    Raises:
        NothingToPruneError: no space may lose a channel, or even the longest prefix keeps more.
    """
    spaces = [
        space
        for space in candidates(analysis, options)
        if np.isfinite(scores[space.atoms]).all() or np.isin(space.atoms, gone).any()
    ]
    if not spaces:
        raise NothingToPruneError(
            "no channel can be removed from this model",
            fix="Run `compressor inspect` to see what holds each axis" + hints(analysis, options),
        )
    branches = Branches.of(analysis) if options.drop_branches else None
    whole = [] if branches is None else [analysis.spaces[number].name for number in branches.spaces()]
    order = _Order(spaces, scores, options, gone, whole)
    before = model.cost(np.zeros(0, np.int64))
    goal = target.keep * counted(before, target.metric)
    if target.metric == "channels":  # of the spaces that may be cut
        cuttable = sum(space.size for space in spaces)
        goal = before.channels - cuttable + cuttable * target.keep

    def chosen(count: int) -> Labels:
        return removable(model, np.union1d(gone, order.prefix(count)), gone, branches)

    def metric(count: int) -> float:
        return counted(model.cost(chosen(count)), target.metric)

    low, high = 0, order.size
    if metric(high) > goal:
        raise NothingToPruneError(
            f"--{target.metric} {target.keep:g} cannot be reached: {metric(high) / counted(before, target.metric):.3f}"
            " stays when every space is cut to the least",
            fix="Ask for more to stay, or relax --round-to and --floor" + hints(analysis, options),
        )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if metric(middle) <= goal else (middle, high)
    atoms = chosen(high)
    return Selection(atoms, before, model.cost(atoms))


def removable(model: CostModel, atoms: Labels, gone: Labels, branches: Branches | None) -> Labels:
    """``atoms`` less those that must stay so that no axis is emptied, but for branches that may go whole.

    Args:
        model: of the analysis.
        atoms: what is to go.
        gone: those of them that went before.
        branches: of the analysis; None where no branch may go.
    """
    whole = NO_ATOMS if branches is None else branches.whole(atoms)
    return np.union1d(model.protect(np.setdiff1d(atoms, whole), gone), whole)


def hints(analysis: Analysis, options: Options) -> str:
    """The end of a sentence: options by which more could go."""
    found = ["--exclude less"] if options.exclude else []
    if not options.allow_width and any(space.soft for space in analysis.spaces):
        found.append("--allow-width adds the spaces that a normalisation runs over")
    if not options.drop_branches and options.scope != "per-space" and Branches.of(analysis).spaces():
        found.append("--drop-branches lets branches go whole")
    return "".join(f"; {hint}" for hint in found) + "."


class _Order:
    """All candidate atoms, least important first."""

    def __init__(
        self, spaces: list[Space], scores: Scores, options: Options, gone: Labels, whole: Sequence[str]
    ) -> None:
        self._round_to = options.round_to
        self._sizes = np.array([space.size for space in spaces], np.int64)
        floor = options.floor if options.scope == "global-floor" else 0.0
        self._least = np.ceil(floor * self._sizes).astype(np.int64)
        stay = np.array([options.scope == "per-space" or space.name not in whole for space in spaces], np.bool_)
        self._least[stay] = np.maximum(1, self._least[stay])
        atoms, ranks, owners, keys = [], [], [], []
        for number, space in enumerate(spaces):
            before = np.isin(space.atoms, gone)
            left = scores[space.atoms[~before]]
            free = bool(np.isfinite(left).all())
            if not free:
                self._least[number] = left.size
            mean = left.mean() or 1.0 if free and options.normalise is not False else 1.0
            own = np.where(before, -np.inf, scores[space.atoms])
            rank = np.empty(space.size, np.int64)
            rank[np.argsort(own, kind="stable")] = np.arange(space.size)
            atoms.append(space.atoms)
            ranks.append(rank)
            owners.append(np.full(space.size, number))
            keys.append((rank + 1) / space.size if options.scope == "per-space" else own / mean)
        self._atoms, self._ranks, self._owners = map(np.concatenate, (atoms, ranks, owners))
        self._order: NDArray[np.int64] = np.lexsort((self._ranks, np.concatenate(keys)))

    @property
    def size(self) -> int:
        """Number of candidate atoms."""
        return int(self._atoms.size)

    def prefix(self, count: int) -> Labels:
        """The first ``count`` atoms, less what floors and rounding give back."""
        cut = np.bincount(self._owners[self._order[:count]], minlength=self._sizes.size)
        kept = np.maximum(self._sizes - cut, self._least)
        kept = np.minimum(-(-kept // self._round_to) * self._round_to, self._sizes)
        return np.sort(self._atoms[self._ranks < (self._sizes - kept)[self._owners]])
