"""The knapsack against looking at everything, on costs with steps that make changes pay only together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from compressor.errors import NothingToPruneError
from compressor.passes.latency.knapsack import Budget, Choices, best_widths

Widths = NDArray[np.int64]
Floats = NDArray[np.float64]


def problem(seed: int, spaces: int = 5) -> tuple[list[Choices], NDArray[np.float64]]:
    """Spaces of four widths with concave worth, and a weight for each pair of neighbours."""
    rng = np.random.default_rng(seed)
    choices = []
    for _ in range(spaces):
        size = int(rng.choice([16, 32, 64]))
        worth = np.concatenate([[0.0], np.cumsum(np.sort(rng.random(size))[::-1])])
        widths = np.arange(1, 5) * size // 4
        choices.append(Choices(widths, worth[widths]))
    return choices, rng.uniform(0.5, 2, spaces)


def staircase(weights: Floats) -> Budget:
    """Neighbours' products in steps of 8, and half more where a width is off its step of 16."""

    def cost(widths: Widths) -> Floats:
        stepped = np.ceil(widths / 8) * 8
        products = stepped * np.roll(stepped, 1, axis=1) * np.where(widths % 16, 1.5, 1.0)
        return np.asarray(products @ weights)

    return Budget("cost", 0.0, cost)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.8, 0.5, 0.3])
def test_it_comes_near_the_best_there_is(seed: int, share: float) -> None:
    choices, weights = problem(seed)
    cost = staircase(weights).cost
    everything = np.array(list(itertools.product(*(one.widths for one in choices))))
    worth_of = [dict(zip(one.widths.tolist(), one.worth, strict=True)) for one in choices]

    def worth(widths: Widths) -> float:
        return float(sum(known[int(width)] for known, width in zip(worth_of, widths, strict=True)))

    limit = share * float(cost(everything[-1:])[0])
    fitting = everything[cost(everything) <= limit]
    best = max(map(worth, fitting))
    found = best_widths(choices, [Budget("cost", limit, cost)])
    assert cost(found[None])[0] <= limit
    assert worth(found) >= 0.97 * best


def test_all_budgets_are_met() -> None:
    choices, weights = problem(3)
    first, second = staircase(weights).cost, staircase(weights[::-1].copy()).cost
    whole = np.array([[one.widths[-1] for one in choices]])
    limits = 0.6 * float(first(whole)[0]), 0.4 * float(second(whole)[0])
    found = best_widths(choices, [Budget("a", limits[0], first), Budget("b", limits[1], second)])
    assert first(found[None])[0] <= limits[0]
    assert second(found[None])[0] <= limits[1]


def test_what_cannot_be_reached_is_said_with_what_can() -> None:
    choices, weights = problem(1)
    cost = staircase(weights).cost
    least = min(float(cost(np.array([row]))[0]) for row in itertools.product(*(one.widths for one in choices)))
    with pytest.raises(NothingToPruneError, match="latency in ms of") as caught:
        best_widths(choices, [Budget("latency in ms", least * 0.9, cost)])
    assert f"{least:.4g} stay" in str(caught.value)


def test_nothing_goes_where_nothing_has_to() -> None:
    choices, weights = problem(2)
    cost = staircase(weights).cost
    whole = np.array([one.widths[-1] for one in choices])
    assert (best_widths(choices, [Budget("cost", float(cost(whole[None])[0]), cost)]) == whole).all()
