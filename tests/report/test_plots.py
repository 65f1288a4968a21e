"""Plots: everything inside the picture, ticks at round numbers, no run lost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.report.plots.distribution import distribution_chart
from compressor.report.plots.pareto import Point, pareto_chart
from compressor.report.plots.scale import Scale

FINITE = st.floats(-1e300, 1e300, allow_subnormal=True)


@settings(deadline=None)  # of a busy machine
@given(st.lists(FINITE, min_size=1, max_size=8))
def test_a_scale_holds_all_values_and_has_ticks(values: list[float]) -> None:
    scale = Scale.around(values, 10.0, 110.0)
    places = [scale.place(value) for value in values]
    assert all(9.9 <= place <= 110.1 for place in places)
    ticks = scale.ticks()
    assert len(ticks) <= 8
    assert all(9.9 <= place <= 110.1 for place, _ in ticks)


def test_ticks_are_round_numbers_told_apart() -> None:
    assert [text for _, text in Scale(0.29, 1.04, 0, 1).ticks()] == ["0.4", "0.6", "0.8", "1.0"]
    assert [text for _, text in Scale(0.026, 0.051, 0, 1).ticks()] == ["0.030", "0.035", "0.040", "0.045", "0.050"]
    assert [text for _, text in Scale(0, 12.5, 0, 1).ticks()] == ["0.0", "2.5", "5.0", "7.5", "10.0", "12.5"]


def test_a_downward_scale_puts_more_above_less() -> None:
    scale = Scale.around([1.0, 2.0], 200.0, 0.0)
    assert scale.place(2.0) < scale.place(1.0)


def test_pareto_joins_points_from_left_to_right_with_their_intervals() -> None:
    points = [
        Point(0.8, 0.9, "big", 0.78, 0.83),
        Point(0.4, 0.7, "small", 0.39, 0.42),
        Point(1, 0.95, "o", original=True),
    ]
    chart = pareto_chart(points, "time", "accuracy", "caption")
    links = [line for line in chart.lines if line.kind == "link"]
    assert [link.x2 for link in links[:1]] == [links[1].x1]
    assert [dot.kind for dot in chart.dots] == ["point", "point", "original"]
    assert [dot.x for dot in chart.dots] == sorted(dot.x for dot in chart.dots)
    assert sum(line.kind == "bar" for line in chart.lines) == 2
    assert "small: time 0.4, accuracy 0.7" in [dot.title for dot in chart.dots]


def _area(points: str) -> float:
    places = [tuple(map(float, point.split(","))) for point in points.split(" ")]
    turns = zip(places, [*places[1:], places[0]], strict=True)
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in turns)) / 2


def test_each_model_has_a_histogram_and_rare_slow_runs_are_counted_not_drawn() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(1.0, 0.01, 1000)
    slow = np.concatenate([one[:990], np.full(10, 50.0)])
    chart = distribution_chart({"a": one, "b": slow}, "caption")
    first, second = chart.areas
    assert "0 of them beyond" in first.title
    assert "10 of them beyond" in second.title
    assert _area(first.points) == pytest.approx(_area(second.points), rel=0.05)
    bars = [line for line in chart.lines if line.kind == "bar"]
    assert math.isclose(bars[0].x1, bars[1].x1, abs_tol=1.0)


def test_equal_times_can_be_drawn() -> None:
    chart = distribution_chart({"a": np.full(100, 0.5), "b": np.full(1, 0.5)}, "caption")
    assert len(chart.areas) == 2
    assert all("nan" not in area.points for area in chart.areas)
