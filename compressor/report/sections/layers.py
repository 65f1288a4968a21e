"""Layer by layer, before and after: widths, multiply-accumulates, parameters and time."""

from __future__ import annotations

from collections.abc import Sequence

from compressor.report.blocks import Block, Cell, Folded, Items, Section, Table
from compressor.report.layers import Layer, Work
from compressor.report.results import Results
from compressor.report.run_documents import Why, WhyRow
from compressor.report.section import section
from compressor.units import count

_KINDS = ("channels", "MACs", "parameters", "ms")
_EACH = [f"{kind} {when}" for kind in _KINDS for when in ("before", "after")]
_HEADS, _TIMES = ("layer", "op", *_EACH[:6]), tuple(_EACH[6:])
_SHOWN = 40  # layers of a table that need not be opened
Row = tuple[Cell | str, ...]


@section("layers", 50)
def layers(results: Results) -> Section | None:
    """From the two files where they were given, with the times of ``why`` beside; else from ``why`` alone."""
    found = Section("Layers")
    rows = {row.node: row for why in results.whys for row in why.rows if not row.added}
    if results.layers:
        timed = any(layer.name in rows for layer in results.layers)
        heads = (*_HEADS, *_TIMES) if timed else _HEADS
        found.blocks.append(_table(heads, [_layer(one, rows.get(one.name), timed) for one in results.layers]))
    for why in results.whys:
        found.blocks += _why(why, alone=not results.layers)
    found.blocks += _spaces(results)
    return found


def _table(heads: tuple[str, ...], rows: Sequence[Row]) -> Block:
    table = Table(heads, list(rows), left=2)
    return table if len(rows) <= _SHOWN else Folded(f"{len(rows)} layers", table)


def _layer(one: Layer, row: WhyRow | None, timed: bool) -> Row:
    before, after = one.before, one.after
    cells = (one.name, one.op, _widths(before), _widths(after), *_counts(before, after, "macs"),
             *_counts(before, after, "params"))  # fmt: skip
    if not timed:
        return cells
    return (*cells, *(("", "") if row is None else (_ms(row.before_ms), _ms(row.after_ms))))


def _counts(before: Work | None, after: Work | None, name: str) -> tuple[str, str]:
    def text(work: Work | None) -> str:
        value = 0 if work is None else int(getattr(work, name))
        return count(value) if value else ""

    return text(before), text(after)


def _widths(work: Work | None) -> str:
    return "" if work is None or work.widths is None else _arrow(work.widths)


def _arrow(widths: Sequence[int] | None) -> str:
    return "" if widths is None else f"{widths[0]} → {widths[1]}"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _why(why: Why, alone: bool) -> list[Block]:
    whole = ", ".join(f"{label} {value:.4g} ms" for label, value in why.whole_ms.items())
    said = Items([f"Times of a run on {why.backend}, {why.threads} thread{'s' if why.threads != 1 else ''}: {whole}."])
    if not alone:
        return [said]
    rows: list[Row] = [  # without parameters, which it does not tell
        (
            row.node or row.tensor, " + ".join([row.op, *row.fused]) + (" (added by the runtime)" if row.added else ""),
            _arrow(row.before_widths), _arrow(row.after_widths), count(row.before_macs) if row.before_macs else "",
            count(row.after_macs) if row.after_macs else "", _ms(row.before_ms), _ms(row.after_ms),
        )
        for row in why.rows
    ]  # fmt: skip
    return [said, _table((*_HEADS[:6], *_TIMES), rows)]


def _spaces(results: Results) -> list[Block]:
    """What a plan takes from each channel space."""
    known = {space.name: space for one in results.inspections for space in one.spaces}
    blocks: list[Block] = []
    for plan in results.plans:
        rows: list[Row] = []
        for cut in plan.cuts:
            space, gone = known.get(cut.name), len(cut.removed)
            more = ("", "") if space is None else (count(space.params), count(space.macs))
            rows.append((cut.name, cut.why, str(cut.size), str(cut.size - gone), *more))
        heads = ("channel space", "why these", "channels", "kept", "parameters along it", "MACs along it")
        blocks.append(_table(heads, rows))
    return blocks
