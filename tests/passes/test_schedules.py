"""The contract of every registered schedule, and the numbers of each."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from compressor.errors import UsageError
from compressor.passes.schedule import MOST_STEPS, SCHEDULES, cumulative, known_settings
from compressor.passes.schedules.hybrid import tail_rate

# arXiv:2508.13836, tables 3-4: (target, first cut, printed rate of the tail, steps of the tail).
GOLDEN = [
    (0.7, 0.5, 0.01842, 12),
    (0.7, 0.5, 0.04365, 5),
    (0.7, 0.5, 0.07168, 3),
    (0.7, 0.6, 0.01741, 6),
    (0.7, 0.6, 0.03451, 3),
    (0.7, 0.6, 0.1, 1),
    (0.8, 0.5, 0.01962, 18),
    (0.8, 0.5, 0.04968, 7),
    (0.8, 0.5, 0.08531, 4),
    (0.8, 0.6, 0.01842, 12),
    (0.8, 0.6, 0.04365, 5),
    (0.8, 0.6, 0.07168, 3),
    (0.8, 0.7, 0.01741, 6),
    (0.8, 0.7, 0.03451, 3),
    (0.8, 0.7, 0.05132, 2),
    (0.88, 0.5, 0.01972, 24),
    (0.88, 0.5, 0.04668, 10),
    (0.88, 0.5, 0.09118, 5),
    (0.88, 0.6, 0.01914, 17),
    (0.88, 0.6, 0.04585, 7),
    (0.88, 0.6, 0.07884, 4),
    (0.88, 0.7, 0.01965, 10),
    (0.88, 0.7, 0.0484, 4),
    (0.88, 0.7, 0.09446, 2),
    (0.88, 0.8, 0.01654, 5),
    (0.88, 0.8, 0.04083, 2),
    (0.88, 0.8, 0.08, 1),
    (0.92, 0.5, 0.01997, 27),
    (0.92, 0.5, 0.04831, 11),
    (0.92, 0.5, 0.08679, 6),
    (0.92, 0.6, 0.0191, 20),
    (0.92, 0.6, 0.04706, 8),
    (0.92, 0.6, 0.09191, 4),
    (0.92, 0.7, 0.01893, 13),
    (0.92, 0.7, 0.04848, 5),
    (0.92, 0.7, 0.07948, 3),
    (0.92, 0.8, 0.0181, 7),
    (0.92, 0.8, 0.04172, 3),
    (0.92, 0.8, 0.06192, 2),
    (0.96, 0.5, 0.01968, 31),
    (0.96, 0.5, 0.04629, 13),
    (0.96, 0.5, 0.0976, 6),
    (0.96, 0.6, 0.01922, 23),
    (0.96, 0.6, 0.04838, 9),
    (0.96, 0.6, 0.08539, 5),
    (0.96, 0.7, 0.01987, 15),
    (0.96, 0.7, 0.04895, 6),
    (0.96, 0.7, 0.0955, 3),
    (0.96, 0.8, 0.01919, 9),
    (0.96, 0.8, 0.04265, 4),
    (0.96, 0.8, 0.08348, 2),
    (0.99, 0.5, 0.01961, 34),
    (0.99, 0.5, 0.04696, 14),
    (0.99, 0.5, 0.09171, 7),
    (0.99, 0.6, 0.01958, 25),
    (0.99, 0.6, 0.04823, 10),
    (0.99, 0.6, 0.09413, 5),
    (0.99, 0.7, 0.01994, 17),
    (0.99, 0.7, 0.04775, 7),
    (0.99, 0.7, 0.08206, 4),
    (0.99, 0.8, 0.01897, 11),
    (0.99, 0.8, 0.04127, 5),
    (0.99, 0.8, 0.1, 2),
]
TARGETS = (0.05, 0.5, 0.8, 0.99)


def settings_of(name: str, target: float) -> dict[str, Any]:
    if name == "manual":
        return {"shares": [target / 3, target / 2, target]}
    return {} if name == "one-shot" else {"steps": 7}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", SCHEDULES.names())
def test_a_schedule_rises_and_ends_at_the_target_exactly(name: str, target: float) -> None:
    shares = cumulative(name, target, **settings_of(name, target))
    assert shares[-1] == target
    assert all(0 < earlier < later for earlier, later in itertools.pairwise(shares))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", SCHEDULES.names())
def test_what_the_steps_remove_adds_up_to_the_target(name: str, target: float) -> None:
    shares = (0.0, *cumulative(name, target, **settings_of(name, target)))
    assert math.fsum(later - earlier for earlier, later in itertools.pairwise(shares)) == pytest.approx(
        target, abs=1e-15
    )


@pytest.mark.parametrize("name", [name for name in SCHEDULES.names() if "steps" in known_settings(name)])
@pytest.mark.parametrize("steps", [0, -1, 2.5, True, MOST_STEPS + 1, "4"])
def test_a_number_of_steps_is_whole_and_positive(name: str, steps: Any) -> None:
    with pytest.raises(UsageError, match="steps"):
        cumulative(name, 0.5, steps=steps)


@pytest.mark.parametrize("name", SCHEDULES.names())
@pytest.mark.parametrize("target", [0.0, 1.0, -0.5, math.nan, math.inf])
def test_a_target_is_between_nothing_and_everything(name: str, target: float) -> None:
    with pytest.raises(UsageError, match="share"):
        cumulative(name, target, **settings_of(name, 0.5))


@pytest.mark.parametrize("name", SCHEDULES.names())
def test_an_unknown_setting_is_named(name: str) -> None:
    with pytest.raises(UsageError, match="no setting 'sets'"):
        cumulative(name, 0.5, sets=3, **settings_of(name, 0.5))


@pytest.mark.parametrize(("target", "first", "rate", "steps"), GOLDEN)
def test_the_papers_printed_rates(target: float, first: float, rate: float, steps: int) -> None:
    assert tail_rate(target, first, steps) == pytest.approx(rate, abs=1.2e-5)
    shares = cumulative("hybrid", target, first=first, steps=steps)
    assert len(shares) == steps + 1
    removed = [later - earlier for earlier, later in itertools.pairwise(shares)]
    wanted = [rate * (1 - rate) ** j for j in range(steps)]
    assert removed == pytest.approx(wanted, abs=2.5e-5)


# At (0.8, 0.7) one step of 0.1 would reach the target; the paper takes two.
@pytest.mark.parametrize(("target", "first", "rate", "steps"), [row for row in GOLDEN if row != (0.8, 0.7, 0.05132, 2)])
def test_the_papers_steps_follow_from_its_nominal_rates(target: float, first: float, rate: float, steps: int) -> None:
    nominal = next(value for value in (0.02, 0.05, 0.1) if rate <= value + 1e-5)
    assert len(cumulative("hybrid", target, first=first, rate=nominal)) == steps + 1


def test_constant_steps_are_equal() -> None:
    assert cumulative("constant", 0.8, steps=4) == pytest.approx((0.2, 0.4, 0.6, 0.8))


def test_geometric_steps_remove_the_same_share_of_the_rest() -> None:
    kept = [1.0, *(1 - share for share in cumulative("geometric", 0.8, steps=10))]
    ratios = [later / earlier for earlier, later in itertools.pairwise(kept)]
    assert ratios == pytest.approx([0.2**0.1] * 10)


def test_a_rate_gives_the_fewest_steps_that_reach_the_target() -> None:
    shares = cumulative("geometric", 0.8, rate=0.2)
    assert len(shares) == 8  # 0.8^7 = 0.21 is too much, 0.8^8 = 0.168
    assert shares[0] <= 0.2


def test_a_tail_of_the_remaining() -> None:
    shares = cumulative("hybrid", 0.9, first=0.6, steps=2, of="remaining")
    assert [1 - share for share in shares] == pytest.approx([0.4, 0.2, 0.1])


def test_cubic_numbers() -> None:
    assert cumulative("cubic", 0.8, steps=2) == pytest.approx((0.7, 0.8))


def test_logarithmic_numbers() -> None:
    assert cumulative("logarithmic", 0.9, steps=2, base=9.0) == pytest.approx((0.9 * (1 - 2 / 8), 0.9))
    assert cumulative("logarithmic", 0.5, steps=1) == (0.5,)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("geometric", {}, "steps or a rate"),
        ("geometric", {"steps": 3, "rate": 0.1}, "steps or a rate"),
        ("geometric", {"rate": 1.0}, "rate"),
        ("hybrid", {"steps": 3, "first": 0.6}, "first cut"),
        ("hybrid", {"steps": 3, "of": "rest"}, "'rest' is unknown"),
        ("constant", {}, "needs steps"),
        ("logarithmic", {"steps": 3, "base": 1.0}, "base"),
        ("manual", {"shares": [0.2, 0.4]}, "ends at 0.4"),
        ("manual", {"shares": [0.3, 0.2, 0.5]}, "does not rise"),
        ("manual", {"shares": []}, "has no step"),
        ("manual", {"shares": "0.5"}, "no numbers"),
    ],
)
def test_wrong_settings_say_what_is_wrong(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        cumulative(name, 0.5, **settings)
