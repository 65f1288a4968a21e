"""Several models at once: what each share of the time (or of the work) costs."""

from __future__ import annotations

from pathlib import PurePath

from compressor.report.blocks import Block, Cell, Items, Section, Table
from compressor.report.documents import Compression
from compressor.report.figures import figure, ratio_text, within_text
from compressor.report.plots.pareto import Point, pareto_chart
from compressor.report.results import Results
from compressor.report.section import section
from compressor.units import count

_MOST_CHARTS = 4


@section("pareto", 40)
def pareto(results: Results) -> Section | None:
    """A plot for each of the user's figures; where there are none, one of the parameters that are kept."""
    found = list(results.every_compression())
    problems = [f"{point.ratio:g}: {point.problem}" for one in results.paretos for point in one.points if point.problem]
    if len(found) < 2 and not problems:
        return None
    blocks: list[Block] = [Items(problems)] if problems else []
    if found:
        names, timed = _figure_names(found), any(one.latency is not None for one in found)
        times = (_measured(found), "95 % interval") if timed else ()
        blocks.append(
            Table(("model", *times, "MACs", "parameters", *names), [_row(one, names, timed) for one in found])
        )
    if len(found) > 1:
        charts = [_chart(found, name) for name in names[:_MOST_CHARTS]] if names else [_chart(found, None)]
        blocks += [chart for chart in charts if chart is not None]
    return Section("Several models", blocks, card=True)


def _figure_names(found: list[Compression]) -> list[str]:
    every = [(one.evaluation or {}).get("final") or {} for one in found]
    return list(dict.fromkeys(name for figures in every for name in figures))


def _row(one: Compression, names: list[str], timed: bool) -> tuple[Cell | str, ...]:
    time, within = "", ""
    if one.latency is not None:
        time = f"{one.latency.ratio:.3f}" + ("" if one.latency.measured else " (predicted)")
        within = within_text(one.latency.interval)
    final = (one.evaluation or {}).get("final") or {}
    return (
        _name(one), *((time, within) if timed else ()), ratio_text(one.after.macs, one.before.macs),
        f"{count(one.after.params)} ({ratio_text(one.after.params, one.before.params)})",
        *(figure(final.get(name)) for name in names),
    )  # fmt: skip


def _measured(found: list[Compression]) -> str:
    """What the ratios are of: "time", "energy" or both."""
    return ", ".join(dict.fromkeys(one.latency.of for one in found if one.latency is not None))


def _name(one: Compression) -> str:
    return PurePath(one.output).name or "model"


def _chart(found: list[Compression], name: str | None) -> Block | None:
    """Against time or energy where all have the same, else against MACs."""
    timed = all(one.latency is not None for one in found) and "," not in _measured(found)
    points = [Point(1.0, 1.0, "original", original=True)] if name is None else []
    for one in found:
        y = _share(one.after.params, one.before.params) if name is None else _final(one, "final", name)
        x, low, high = _share(one.after.macs, one.before.macs), None, None
        if timed and one.latency is not None:
            x, (low, high) = one.latency.ratio, one.latency.interval or (None, None)
        if y is not None and x is not None:
            points.append(Point(x, y, _name(one), low, high))
    if name is not None and found[0].evaluation is not None:
        y = _final(found[0], "original", name)
        points += [] if y is None else [Point(1.0, y, "original", original=True)]
    if len(points) < 2:
        return None
    what = _measured(found)
    x_name = f"share of the original's {what}" if timed else "share of the original's MACs"
    bars = f" Bars are 95 % intervals of the {what}." if any(point.low is not None for point in points) else ""
    y_name = "share of the parameters" if name is None else name
    return pareto_chart(points, x_name, y_name, f"{y_name} against {x_name}; hollow is the original.{bars}")


def _share(after: int, before: int) -> float | None:
    return after / before if before else None


def _final(one: Compression, which: str, name: str) -> float | None:
    return ((one.evaluation or {}).get(which) or {}).get(name)
