"""Histograms of run times under one another, on one axis: the baseline, the others, the baseline again."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from compressor.plain_text import plain
from compressor.report.plots.chart import Area, Chart, Line, Word
from compressor.report.plots.scale import Scale

WIDTH = 480.0
_LEFT, _RIGHT = 12.0, 468.0
_ROW, _TOP, _BELOW = 74.0, 6.0, 44.0
_BINS = 72
_ROOM = 44  # characters
_SPREADS = 12  # a few slow runs would squeeze all others into one bar
_LEAST_SPREAD = 0.02  # of the median

Times = NDArray[np.float64]


def distribution_chart(times_ms: Mapping[str, Times], caption: str) -> Chart:
    """One histogram for each label, in order; the median is a line.

    Args:
        times_ms: all single runs by label, not empty.
        caption: how to read it.
    """
    ends = [end for times in times_ms.values() for end in _bulk(times)]
    x = Scale.around([min(ends), max(ends)], _LEFT, _RIGHT, margin=0.02)
    height = _TOP + _ROW * len(times_ms) + _BELOW
    bottom = height - _BELOW
    chart = Chart(WIDTH, height, "Distribution of run times", caption)
    for place, text in x.ticks():
        chart.lines.append(Line(place, _TOP, place, bottom, "grid"))
        chart.words.append(Word(place, bottom + 18, text))
    chart.words.append(Word((_LEFT + _RIGHT) / 2, height - 8, "milliseconds", kind="name"))
    for number, (label, times) in enumerate(times_ms.items()):
        base = _TOP + _ROW * (number + 1)
        _draw(chart, x, base, label, times)
    return chart


def _bulk(times: Times) -> tuple[float, float]:
    """Between which times nearly all runs are: the distance between the quartiles, several times over."""
    low, median, high = (float(value) for value in np.quantile(times, (0.25, 0.5, 0.75)))
    room = _SPREADS * max(high - low, _LEAST_SPREAD * median)
    return max(float(times.min()), median - room), min(float(times.max()), median + room)


def _draw(chart: Chart, x: Scale, base: float, label: str, times: Times) -> None:
    counts, edges = np.histogram(times, bins=_BINS, range=(x.low, x.high))
    top, median = int(counts.max()), float(np.median(times))
    tall = (_ROW - 26) / max(top, 1)
    places = [f"{x.place(edges[0])},{base}"]
    for count, left, right in zip(counts.tolist(), edges[:-1], edges[1:], strict=True):
        level = round(base - count * tall, 2)
        places += [f"{x.place(left)},{level}", f"{x.place(right)},{level}"]
    places.append(f"{x.place(edges[-1])},{base}")
    beyond = len(times) - int(counts.sum())
    title = f"{label}: {len(times)} runs, median {median:.4g} ms, {beyond} of them beyond the axis"
    chart.areas.append(Area(" ".join(places), "histogram", title))
    chart.lines.append(Line(_LEFT, base, _RIGHT, base, "axis"))
    chart.lines.append(Line(x.place(median), base - _ROW + 24, x.place(median), base, "bar"))
    chart.words.append(Word(_LEFT, base - _ROW + 18, _line(label, median), "start", "label"))


def _line(label: str, median: float) -> str:
    """What fits over a histogram; figures first, for a long label is cut at the picture's edge."""
    safe = plain(label)
    return f"median {median:.4g} ms: {safe if len(safe) <= _ROOM else '…' + safe[-_ROOM:]}"
