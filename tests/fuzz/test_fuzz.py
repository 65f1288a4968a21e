"""Random small graphs: pruned equals masked on all of them (a short run; ``make fuzz`` is the long one)."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.case import try_case
from tests.fuzz.draw import HypothesisDraw, ReplayDraw, SeededDraw, shrink
from tests.fuzz.generate import generate


@settings(
    max_examples=80, deadline=None, derandomize=True, database=None, phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck), print_blob=True,
)  # fmt: skip
@given(st.data())
def test_pruned_equals_masked(data: st.DataObject) -> None:
    outcome = try_case(HypothesisDraw(data))
    assert not outcome.mismatch, f"{outcome.mismatch}\n{outcome.sample.describe()}"


def test_seeded_graphs_hold_and_are_worth_trying() -> None:
    """The long run's own stream: few invalid graphs, and most have something to prune."""
    outcomes = [try_case(SeededDraw(1, number)) for number in range(60)]
    assert [o.mismatch for o in outcomes if o.mismatch] == []
    found = [o.found for o in outcomes if o.found]
    assert len(found) >= 57
    assert sum(f.spaces > 0 for f in found) >= 45
    assert sum(f.removals for f in found) >= 60


def test_a_seed_gives_the_same_graph() -> None:
    one, two = SeededDraw(5, 7), SeededDraw(5, 7)
    assert generate(one).proto == generate(two).proto
    assert generate(ReplayDraw(one.choices)).proto == generate(SeededDraw(5, 7)).proto


def test_shrinking_finds_the_smallest_that_fails() -> None:
    found = shrink([3, 9, 4, 7, 5], lambda choices: sum(choices) >= 11 and len(choices) >= 2)
    assert (len(found), sum(found)) == (2, 11)  # neither shorter nor smaller would do
