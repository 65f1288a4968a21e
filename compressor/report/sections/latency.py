"""Times: every run of both models, and of the baseline against itself."""

from __future__ import annotations

import numpy as np

from compressor.report.blocks import Block, Cell, Items, Section, Table
from compressor.report.documents import Comparison
from compressor.report.figures import interval_text, verdict_cell
from compressor.report.plots.distribution import distribution_chart
from compressor.report.results import Results
from compressor.report.section import section
from compressor.units import percent

_AGAIN = "(A/A)"
_CAPTION = (
    "Single runs of each model on one axis; lines are medians. (A/A) is the baseline once more: what differs between it"
    " and the baseline is noise. Rare runs that took much longer lie beyond the axis."
)
_MOST_LABELS = 8


@section("latency", 60)
def latency(results: Results) -> Section | None:
    """A table and a picture for each comparison."""
    found = Section("Latency")
    for times in [*results.comparisons, *results.gate_times]:
        found.blocks += _comparison(times)
    rounds = [
        (str(number + 1), f"{one.budget_ratio:.3f}", f"{one.predicted_ratio:.3f}",
         "" if one.measured_ratio is None else f"{one.measured_ratio:.3f}")
        for compression in results.compressions if compression.latency is not None
        for number, one in enumerate(compression.latency.rounds)
    ]  # fmt: skip
    if rounds:
        heads = ("candidate", "budget", "predicted", "measured")
        found.blocks += [Items(["How what was asked for was met, as shares of the original's:"]),
                         Table(heads, list(rounds))]  # fmt: skip
    return found


def _comparison(times: Comparison) -> list[Block]:
    rows = [_row(times, label) for label in times.timings]
    percentiles = sorted({name for one in times.timings.values() for name in one.percentiles_ms}, key=_number)
    heads = ("model", "median ms", *percentiles, "runs", "ratio", "interval", "would be found", "verdict")
    table = Table(heads, [(row[0], row[1], *_percentiles(times, label, percentiles), *row[2:])
                          for row, label in zip(rows, times.timings, strict=True)])  # fmt: skip
    kind = times.mode.get("kind")
    how = (
        f"{times.backend} ({times.provider}), {times.threads} thread{'s' if times.threads != 1 else ''}, {times.timed};"
        f" {kind if isinstance(kind, str) else 'latency'}; {times.processes} processes of {times.blocks} blocks in"
        f" random order. The baseline differs from itself by up to {times.noise_floor:.1%}."
    )
    blocks: list[Block] = [table, Items([how])]
    drawn = [label for label in [*times.timings, _AGAIN] if label in times.samples_ns][:_MOST_LABELS]
    arrays = {label: _flat(times.samples_ns[label]) for label in drawn}
    arrays = {label: array for label, array in arrays.items() if array.size}
    if arrays:
        blocks.append(distribution_chart(arrays, _CAPTION))
    return blocks


def _row(times: Comparison, label: str) -> tuple[Cell | str, ...]:
    timing, ratio = times.timings[label], times.ratios.get(label)
    start = (label, f"{timing.median_ms:.4g}", str(timing.runs))
    if ratio is None:
        return (*start, "1", "", "", "baseline" if label == times.baseline else "")
    least = times.detectable.get(label)
    return (*start, f"{ratio.ratio:.3f}", interval_text(ratio), "" if least is None else percent(least),
            verdict_cell(times.verdicts.get(label, "")))  # fmt: skip


def _percentiles(times: Comparison, label: str, names: list[str]) -> list[str]:
    found = times.timings[label].percentiles_ms
    return [f"{found[name]:.4g}" if name in found else "" for name in names]


def _number(name: str) -> tuple[float, str]:
    digits = name.lstrip("p")
    return (float(digits) if digits.replace(".", "", 1).isdecimal() else 0.0, name)


def _flat(samples_ns: list[list[list[int]]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([run for process in samples_ns for block in process for run in block], np.float64) / 1e6
