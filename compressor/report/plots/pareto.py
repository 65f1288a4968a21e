"""Points of two figures each, with the interval of the first: what a share of the time costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from compressor.report.plots.chart import Chart, Dot, Line, Word
from compressor.report.plots.scale import Scale

WIDTH, HEIGHT = 480.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 470.0, 14.0, 252.0


@dataclass(frozen=True)
class Point:
    """One model.

    Attributes:
        x, y: its figures.
        name: how it is called.
        low, high: interval of ``x``, None where it has none.
        original: whether it is what the others are compared with.
    """

    x: float
    y: float
    name: str
    low: float | None = None
    high: float | None = None
    original: bool = False


def pareto_chart(points: Sequence[Point], x_name: str, y_name: str, caption: str) -> Chart:
    """The points, joined from left to right."""
    ends = [value for point in points for value in (point.x, point.low, point.high) if value is not None]
    x = Scale.around(ends, _LEFT, _RIGHT)
    y = Scale.around([point.y for point in points], _BOTTOM, _TOP, margin=0.1)
    chart = Chart(WIDTH, HEIGHT, f"{y_name} against {x_name}", caption)
    for place, text in x.ticks():
        chart.lines.append(Line(place, _TOP, place, _BOTTOM, "grid"))
        chart.words.append(Word(place, _BOTTOM + 18, text))
    for place, text in y.ticks():
        chart.lines.append(Line(_LEFT, place, _RIGHT, place, "grid"))
        chart.words.append(Word(_LEFT - 6, place + 4, text, "end"))
    chart.words.append(Word((_LEFT + _RIGHT) / 2, HEIGHT - 8, x_name, kind="name"))
    chart.words.append(Word(4, 10, y_name, "start", "name"))
    ordered = sorted(points, key=lambda point: point.x)
    for one, other in pairwise(ordered):
        chart.lines.append(Line(x.place(one.x), y.place(one.y), x.place(other.x), y.place(other.y), "link"))
    for point in ordered:
        if point.low is not None and point.high is not None:
            chart.lines.append(Line(x.place(point.low), y.place(point.y), x.place(point.high), y.place(point.y), "bar"))
        title = f"{point.name}: {x_name} {point.x:.4g}, {y_name} {point.y:.4g}"
        kind = "original" if point.original else "point"
        chart.dots.append(Dot(x.place(point.x), y.place(point.y), kind, title))
    return chart
