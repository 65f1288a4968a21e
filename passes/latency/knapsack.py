"""How wide every space should be: the most worth that fits the budgets (design, section 5).

A multiple-choice knapsack: every space takes one of its widths. What a width costs depends on the widths of its
neighbours, so the problem is solved for small changes around widths at hand, with costs told anew at each round, while
the budgets tighten from what the whole model takes to what was asked. HiGHS solves each round
(``scipy.optimize.milp``) without integrality: a basic solution divides no more spaces than there are budgets, and those
take the wider of their choices if that fits, else the narrower. Asked for integers it took 20 s where layers are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from compressor.errors import NothingToPruneError

Floats = NDArray[np.float64]
Widths = NDArray[np.int64]
Picked = NDArray[np.int64]
_SHARES = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875)
_MOST_SHAKES, _SHAKEN_CHOICES = 100, 10_000  # fewer for large problems
_SHAKEN = 0.15  # share of the spaces
_ROUNDS = 12  # in which the budgets tighten
_POLISH = 12  # at the final budgets
_SLACK = 1e-4  # of a budget: rounding
_TAKEN = 1e-6  # a choice with less of the solution is not taken


@dataclass(frozen=True)
class Choices:
    """What a space may be.

    Attributes:
        widths: int64 [choices], rising; the last is what it is now.
        worth: float64 [choices]: what the channels kept at each width are worth.
    """

    widths: Widths
    worth: Floats


@dataclass(frozen=True)
class Budget:
    """Something that must not exceed a limit.

    Attributes:
        name: for messages, with its unit: "latency in ms".
        limit: in that unit.
        cost: of candidates: int64 [candidates, spaces] -> float64 [candidates].
    """

    name: str
    limit: float
    cost: Callable[[Widths], Floats]


def best_widths(spaces: Sequence[Choices], budgets: Sequence[Budget], seed: int = 0) -> Widths:
    """Int64 [spaces]: a choice for every space that meets all budgets.

    Raises:
        NothingToPruneError: not even the least widths meet them.
    """
    problem = _Problem(spaces, budgets)
    problem.check()
    found = [_polished(problem, start) for start in _starts(problem)]
    best = max(found, key=problem.worth)
    rng = np.random.default_rng(seed)
    for _ in range(min(_MOST_SHAKES, _SHAKEN_CHOICES // sum(len(space.widths) for space in spaces))):
        other = problem.filled(problem.shaken(best, rng))
        if problem.worth(other) > problem.worth(best):
            best = other
    return problem.widths(best)


def _starts(problem: _Problem) -> Iterator[Picked]:
    """Where to begin: at what tightening budgets lead to, and at the same share of every space.

    Changes that pay only together, such as a whole stage from one step of the runtime to the next, are in the latter.
    """
    current, whole = problem.last, problem.costs(problem.last)
    for step in range(1, _ROUNDS + 1):
        limits = whole + (problem.limits - whole) * step / _ROUNDS
        current = problem.better(current, limits, problem.reach(step))
    yield current
    yield from (problem.uniform(share) for share in _SHARES)


def _polished(problem: _Problem, current: Picked) -> Picked:
    """The best that rounds at the final budgets find from here, with what is left of the budgets used up."""
    best: Picked | None = None
    limits = problem.limits
    for step in range(_POLISH):
        costs = problem.costs(current)
        fits = bool((costs <= problem.limits * (1 + _SLACK)).all())
        if fits and (best is None or problem.worth(current) > problem.worth(best)):
            best = current
        # A round leaves out that changes go together: the next one is told so much less, or half as much more.
        limits = np.minimum(limits * (problem.limits / costs) ** (0.5 if fits else 1.0), 2 * problem.limits)
        current = problem.better(current, limits, problem.reach(step + 1))
    return problem.filled(best if best is not None else problem.shrunk(current))


class _Problem:
    """Choices by number: ``picked`` int64 [spaces]."""

    def __init__(self, spaces: Sequence[Choices], budgets: Sequence[Budget]) -> None:
        self._spaces, self._budgets = spaces, budgets
        self.limits: Floats = np.array([budget.limit for budget in budgets])
        self.last: Picked = np.array([len(space.widths) - 1 for space in spaces], np.int64)

    def reach(self, step: int) -> list[int]:
        """How many choices away each space may go in a round: less and less."""
        return [max(1, -(-len(space.widths) // (3 + step))) for space in self._spaces]

    def uniform(self, share: float) -> Picked:
        """The same share of every space, as near as its choices come to it."""
        nearest = [int(np.abs(space.widths - share * space.widths[-1]).argmin()) for space in self._spaces]
        return np.array(nearest, np.int64)

    def shaken(self, picked: Picked, rng: np.random.Generator) -> Picked:
        """Some spaces anywhere, and all of them narrower until the budgets are met again."""
        loose = rng.random(picked.size) < max(_SHAKEN, 2 / picked.size)
        return self.shrunk(np.where(loose, rng.integers(0, self.last + 1), picked))

    def check(self) -> None:
        """Refuse budgets that cannot be met, each by itself."""
        for number, budget in enumerate(self._budgets):
            least, whole = self._least(number), float(self.costs(self.last)[number])
            if least > budget.limit:
                raise NothingToPruneError(
                    f"{budget.name} of {budget.limit:.4g} cannot be reached: of {whole:.4g}, {least:.4g} stay whatever"
                    " is cut",
                    fix="Ask for less, lower --floor, or allow more to be cut (--allow-width, --drop-branches).",
                )

    def _least(self, number: int) -> float:
        """The least cost that descent finds: narrower is not always cheaper."""
        found = []
        everywhere = [len(space.widths) for space in self._spaces]
        for picked in (self.last, np.zeros_like(self.last)):
            lowest = float(self.costs(picked)[number])
            for _ in range(_POLISH):
                owner, choice, changes, _ = self._changes(picked, everywhere)
                picked = np.asarray(choice[_best_of_each(-changes[number], owner, len(self._spaces))])
                cost = float(self.costs(picked)[number])
                if cost >= lowest:
                    break
                lowest = cost
            found.append(lowest)
        return min(found)

    def widths(self, picked: Picked) -> Widths:
        return np.array([space.widths[index] for space, index in zip(self._spaces, picked, strict=True)], np.int64)

    def worth(self, picked: Picked) -> float:
        return float(sum(space.worth[index] for space, index in zip(self._spaces, picked, strict=True)))

    def costs(self, picked: Picked) -> Floats:
        """Float64 [budgets]."""
        return np.array([budget.cost(self.widths(picked)[None])[0] for budget in self._budgets])

    def better(self, picked: Picked, limits: Floats, reach: Sequence[int]) -> Picked:
        """The best choices within reach, by costs of single changes; where none fits, what comes nearest to it."""
        owner, choice, changes, now = self._changes(picked, reach)
        worth = np.array([self._spaces[s].worth[c] for s, c in zip(owner, choice, strict=True)])
        taken = _solve(worth, changes, limits - now, owner, len(self._spaces))
        if taken is None:  # out of reach in one round: go as far as it goes
            over = changes[int(np.argmax(now / limits))]
            taken = _best_of_each(-over, owner, len(self._spaces))
        return np.asarray(choice[taken])

    def _changes(self, picked: Picked, reach: Sequence[int]) -> tuple[Picked, Picked, Floats, Floats]:
        """(space, choice, float64 [budgets, choices] what each changes by itself, float64 [budgets] costs now)."""
        owner, choice = self._near(picked, reach)
        candidates = np.repeat(self.widths(picked)[None], len(owner), axis=0)
        pairs = zip(owner, choice, strict=True)
        candidates[np.arange(len(owner)), owner] = [self._spaces[s].widths[c] for s, c in pairs]
        now = self.costs(picked)
        return owner, choice, np.stack([budget.cost(candidates) for budget in self._budgets]) - now[:, None], now

    def shrunk(self, picked: Picked) -> Picked:
        """Narrower, one choice at a time all round, until all budgets are met."""
        while (self.costs(picked) > self.limits).any():
            picked = np.maximum(picked - 1, 0)
        return picked

    def filled(self, picked: Picked) -> Picked:
        """As long as single changes that add worth still fit, the one that adds most."""
        while True:
            owner, choice, changes, now = self._changes(picked, [len(space.widths) for space in self._spaces])
            gain = np.array([
                self._spaces[s].worth[c] - self._spaces[s].worth[picked[s]] for s, c in zip(owner, choice, strict=True)
            ])  # fmt: skip
            gain[((now[:, None] + changes) > self.limits[:, None]).any(axis=0)] = 0.0
            most = int(np.argmax(gain))
            if gain[most] <= 0:
                return picked
            picked = picked.copy()
            picked[owner[most]] = choice[most]

    def _near(self, picked: Picked, reach: Sequence[int]) -> tuple[Picked, Picked]:
        """(space, choice) of every choice within reach."""
        owners, choices = [], []
        for number, (index, far) in enumerate(zip(picked, reach, strict=True)):
            near = np.arange(max(0, index - far), min(self.last[number], index + far) + 1)
            owners.append(np.full(near.size, number))
            choices.append(near)
        return np.concatenate(owners), np.concatenate(choices)


def _solve(worth: Floats, changes: Floats, room: Floats, owner: Picked, spaces: int) -> Picked | None:
    """For each space the number of the variable taken; None where no choice fits."""
    count = len(owner)
    one_each = csr_array((np.ones(count), (owner, np.arange(count))), shape=(spaces, count))
    scale = np.maximum(np.abs(changes).max(axis=1), 1e-12)
    found = milp(
        -worth / max(float(np.abs(worth).max()), 1e-12),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(one_each, 1, 1),
            LinearConstraint(changes / scale[:, None], -np.inf, room / scale),
        ],
    )
    if found.x is None:
        return None
    possible = found.x > _TAKEN
    taken = _best_of_each(np.where(possible, worth, -np.inf), owner, spaces)
    least = _best_of_each(np.where(possible, -changes.sum(axis=0), -np.inf), owner, spaces)
    for space in np.flatnonzero(taken != least):  # divided between two choices
        if (changes[:, taken].sum(axis=1) > room).any():
            taken[space] = least[space]
    return taken


def _best_of_each(values: Floats, owner: Picked, spaces: int) -> Picked:
    """For each space the number of its variable with the highest value."""
    order = np.lexsort((-values, owner))
    return np.asarray(order[np.searchsorted(owner[order], np.arange(spaces))])
