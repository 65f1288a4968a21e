"""The headline: what was there, what is there now, with intervals where they were measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from compressor.report.blocks import Cell, Section, Table
from compressor.report.documents import Comparison, Compression, Facts, Figures
from compressor.report.figures import figure, interval_text, milliseconds, ratio_text, verdict_cell, within_text
from compressor.report.results import Results
from compressor.report.section import section
from compressor.units import count, size

HEADS = ("", "before", "after", "ratio", "95 % interval", "verdict")
Row = tuple[Cell | str, ...]


@section("headline", 10)
def headline(results: Results) -> Section | None:
    """Sizes, times and the user's own figures."""
    rows: list[Row] = []
    many = len(results.compressions) > 1
    files = results.facts[:1] if not many else []
    for one in results.compressions:
        of = f" of {PurePath(one.output).name}" if many and one.output else ""
        rows += _compression(one, of, sizes=not files, folded=not one.output)
    rows += [row for before, after in files for row in _facts(before, after)]
    for times in results.comparisons:
        rows += _times(times, "")
    for times in results.gate_times:
        rows += _times(times, ", by the gate")
    for figures in results.evaluations:
        rows += _evaluation(figures, "")
    return Section("Result", [Table(HEADS, rows)], card=True) if rows else None


def _compression(one: Compression, of: str, *, sizes: bool, folded: bool) -> Iterator[Row]:
    """Sizes only where nothing is known of the final files; in a run, later stages make them smaller."""
    before, after = one.before, one.after
    yield f"MACs{of}", count(before.macs), count(after.macs), ratio_text(after.macs, before.macs), "", ""
    if sizes:
        of_cut = f"{of}, as cut" if folded else of
        yield from _sizes(of_cut, (before.params, after.params), (before.size_bytes, after.size_bytes))
    if before.peak_bytes is not None and after.peak_bytes is not None:
        peaks = before.peak_bytes, after.peak_bytes
        yield f"peak memory, computed{of}", *map(size, peaks), ratio_text(peaks[1], peaks[0]), "", ""
    found = one.latency
    if found is not None:
        within = within_text(found.interval)
        how = f"asked for {found.goal_ratio:.3f}" if found.measured else "predicted"
        times = milliseconds(found.original_ms), milliseconds(found.candidate_ms)
        if found.of == "time":
            yield f"latency{of}", *times, f"{found.ratio:.3f}", within, how
        else:
            joules = [f"{one:.4g} J" if one is not None else "" for one in (found.original_j, found.candidate_j)]
            yield f"{found.of} of a run{of}", joules[0], joules[1], f"{found.ratio:.3f}", within, how
            yield f"latency{of}", *times, ratio_text(found.candidate_ms, found.original_ms), "", ""
    if one.evaluation is not None:
        yield from _evaluation(one.evaluation, of)


def _facts(before: Facts, after: Facts) -> Iterator[Row]:
    yield from _sizes("", (before.params, after.params), (before.size_bytes, after.size_bytes))


def _sizes(of: str, params: tuple[int, int], size_bytes: tuple[int, int]) -> Iterator[Row]:
    yield f"parameters{of}", count(params[0]), count(params[1]), ratio_text(params[1], params[0]), "", ""
    yield f"file{of}", size(size_bytes[0]), size(size_bytes[1]), ratio_text(size_bytes[1], size_bytes[0]), "", ""


def _times(times: Comparison, by: str) -> Iterator[Row]:
    before = times.timings.get(times.baseline)
    for label, ratio in times.ratios.items():
        after = times.timings.get(label)
        if before is not None and after is not None:
            yield (
                (f"latency of {label}" if len(times.ratios) > 1 else "latency, median") + by,
                milliseconds(before.median_ms), milliseconds(after.median_ms), f"{ratio.ratio:.3f}",
                interval_text(ratio), verdict_cell(times.verdicts.get(label, "")),
            )  # fmt: skip


def _evaluation(figures: dict[str, Figures | None], of: str) -> Iterator[Row]:
    before, after = figures.get("original") or {}, figures.get("final") or {}
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        share = ratio_text(new, old) if old is not None and new is not None else ""
        yield f"{name}{of}", figure(old), figure(new), share, "", ""
