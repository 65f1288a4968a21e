"""One budget for all steps of a trial, whatever the regime."""

from __future__ import annotations

from dataclasses import replace

import pytest

from compressor.passes.schedule import cumulative
from compressor.study.budget import SharedBudget, allotted, weights_of
from compressor.study.recipe import Budget
from tests.training.small import QUICK, context, network

SCHEDULES = [
    ("one-shot", {}), ("constant", {"steps": 5}), ("geometric", {"steps": 5}), ("hybrid", {"steps": 4}),
    ("cubic", {"steps": 5}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings"), SCHEDULES)
@pytest.mark.parametrize("split", ["relative", "even"])
@pytest.mark.parametrize("target", [0.5, 0.95])
def test_steps_that_use_all_they_get_use_the_budget_exactly(
    name: str, settings: dict[str, int], split: str, target: float
) -> None:
    weights = weights_of(cumulative(name, target, **settings), split)
    for total in (5, 6, 13, 60):
        left = float(total)
        for step in range(1, len(weights) + 1):
            part = allotted(left, weights, step, whole=True)
            assert part >= 1
            left -= part
        assert left == 0


def test_a_geometric_schedule_shares_evenly_and_a_hybrid_gives_the_first_cut_most() -> None:
    even = weights_of(cumulative("geometric", 0.8, steps=4), "relative")
    assert even == pytest.approx([even[0]] * 4)
    first, *tail = weights_of((0.56, 0.66, 0.74, 0.8), "relative")
    assert first > max(tail)
    assert weights_of((0.5, 0.75), "even") == [1.0, 1.0]


def test_what_patience_leaves_over_goes_to_later_steps() -> None:
    assert [allotted(left, [1.0, 1.0, 1.0], step, whole=True) for step, left in ((1, 9), (2, 8), (3, 7))] == [3, 4, 7]
    assert allotted(10.0, [1.0, 3.0], 1, whole=False) == 2.5


def test_epochs_of_all_steps_add_up() -> None:
    shares = (0.3, 0.5, 0.6)
    budget = SharedBudget(replace(QUICK, patience=None), Budget(epochs=7), shares)
    for step in (1, 2, 3):
        budget(network(), context(step=step, schedule=shares))
    assert sum(budget.epochs) == 7
    assert budget.spent == [float(count) for count in budget.epochs]


def test_patience_ends_a_step_early_and_the_tail_has_its_own() -> None:
    shares = (0.3, 0.6)
    weary = SharedBudget(replace(QUICK, patience=3, tail_patience=1, min_delta=1e9), Budget(epochs=20), shares)
    for step in (1, 2):
        weary(network(), context(step=step, schedule=shares))
    assert weary.epochs == [3, 1]


def test_seconds_of_all_steps_stay_within_the_budget() -> None:
    shares = (0.3, 0.6)
    budget = SharedBudget(QUICK, Budget(seconds=2.0), shares)
    for step in (1, 2):
        budget(network(), context(step=step, schedule=shares))
    assert 1.0 < sum(budget.spent) < 8.0  # a step ends after the batch in which its time ran out
    assert sum(budget.epochs) >= 1  # on a busy machine a step's part may end within its first epoch
