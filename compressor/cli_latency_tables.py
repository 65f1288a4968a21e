"""What is printed of latency budgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from compressor.cli_tables import line, table
from compressor.units import count, seconds

if TYPE_CHECKING:
    from compressor.latency.make_table import MadeTable
    from compressor.latency.pareto import ParetoPoint

_SHOWN = 10


def latency_lines(found: Mapping[str, Any]) -> list[RenderableType]:
    """What was asked for, predicted and measured."""
    facts = found["table"]["facts"]
    threads = facts["threads"]
    where = f"{facts['runtime']['backend']}, {threads} thread{'s' if threads != 1 else ''}, batch {facts['batch']}"
    made = f"{found['table']['samples']} samples, {found['table']['measured_now']} of them measured now in "
    lines = [f"latency table: {made}{seconds(found['table']['seconds_now'])}; {where}"]
    times = f"{found['original_ms']:.4g} ms -> {found['candidate_ms']:.4g} ms"
    if not found["measured"]:
        lines.append(f"latency: {found['ratio']:.3f} of the original's as predicted ({times}); not measured here")
        return [line(text) for text in lines]
    if found["of"] == "energy":
        times = f"{found['original_j']:.4g} J -> {found['candidate_j']:.4g} J, {times}"
    interval = found["interval"]
    within = f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    name, rounds = "energy" if found["of"] == "energy" else "latency", len(found["rounds"])
    lines.append(
        f"{name}: {found['ratio']:.3f}{within} of the original's, asked for {found['goal_ratio']:.3f}; {times}; noise"
        f" {found['noise_floor']:.1%}; {rounds} candidates built and measured"
    )
    lines += budget_lines(found["budgets"])
    return [line(text) for text in lines]


def budget_lines(budgets: Mapping[str, Mapping[str, float]]) -> list[str]:
    """What was asked of size and memory beside the latency, and what came of it."""
    return [f"{name}: {found['reached']:.3f}, at most {found['asked']:.3f} asked" for name, found in budgets.items()]


def table_lines(made: MadeTable) -> list[RenderableType]:
    """The slowest layers, the steps, the file."""
    slowest = sorted(made.units_ms.items(), key=lambda pair: -pair[1])[:_SHOWN]
    total = sum(made.units_ms.values())
    rows = [[name or "(before the first layer)", f"{ms:.4g}", f"{ms / total:.1%}"] for name, ms in slowest]
    steps = ", ".join(f"{op} {step}" for op, step in made.steps.items())
    samples = len(made.source.table.samples)
    return [
        line(f"{made.model}: {made.original_ms:.4g} ms", "bold"),
        *([table(("layer, by its tensor", "ms", "share"), rows)] if rows else []),
        line(f"channels count in steps of: {steps or 'unknown'}"),
        line(f"{samples} samples, {made.source.measured} of them now; {seconds(made.source.table.seconds)} in all"),
        line(f"table: {made.source.path}"),
    ]


def pareto_lines(points: Sequence[ParetoPoint]) -> list[RenderableType]:
    """A row for each latency."""
    rows, notes = [], []
    for point in points:
        if point.result is None or point.result.latency is None:
            why = point.problem or "; ".join(point.result.advice if point.result else [])
            rows.append([f"{point.ratio:g}", "-", "-", "-", "-", "-"])
            notes.append(line(f"{point.ratio:g}: {why}", "yellow"))
            continue
        found, result = point.result.latency, point.result
        rows.append([
            f"{point.ratio:g}", f"{found['ratio']:.3f}", f"{found['candidate_ms']:.4g}",
            f"{result.after.macs / result.before.macs:.3f}", f"{result.after.params / result.before.params:.3f}",
            _figures(result.evaluation), result.output,
        ])  # fmt: skip
    heads = ("asked", "measured", "ms", "MACs", f"params of {count(_params(points))}", "evaluated", "file")
    return [table(heads, [[*row, ""][: len(heads)] for row in rows], left=0), *notes]


def _params(points: Sequence[ParetoPoint]) -> int:
    return next((point.result.before.params for point in points if point.result is not None), 0)


def _figures(evaluation: Mapping[str, Any] | None) -> str:
    final = (evaluation or {}).get("final") or {}
    return ", ".join(f"{name} {value:.4g}" for name, value in final.items() if value is not None) or "-"
