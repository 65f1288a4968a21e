"""Tables of ``compressor why``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType

from compressor.cli_tables import line, table
from compressor.units import percent

if TYPE_CHECKING:
    from compressor.why.explain import Explanation
    from compressor.why.rows import Row


def why_tables(result: Explanation, top: int) -> list[RenderableType]:
    """The slowest ops, the whole, and the advice."""
    compared = len(result.models) > 1
    predicted = any(row.predicted_ms is not None for row in result.rows)
    columns = ["op", "node", "with", "channels"]
    columns += ["before ms", "after ms", "speed-up"] if compared else ["ms"]
    columns += (["predicted ms"] if predicted else []) + ["share"]
    shown = [_cells(result, row, compared, predicted) for row in result.rows[:top]]
    left_out = result.rows[top:]
    lines: list[RenderableType] = [line(_title(result), "bold"), table(columns, shown, left=4)]
    if left_out:
        rest = sum(row.ms for row in left_out)
        lines.append(line(f"{len(left_out)} more ops: {rest:.4g} ms, {percent(sum(map(result.share, left_out)))}"))
    lines += [line(text) for text in _whole(result)]
    if result.unmatched:
        lines.append(line(f"note: not found in {result.models['after']}: {', '.join(result.unmatched)}", "yellow"))
    return [*lines, *(line(f"- {advice}") for advice in result.advice)]


def _title(result: Explanation) -> str:
    sizes = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in result.sizes.items())
    plural = "s" if result.threads > 1 else ""
    return f"{' -> '.join(result.models.values())}: {result.backend}, {result.threads} thread{plural}, {sizes}"


def _cells(result: Explanation, row: Row, compared: bool, predicted: bool) -> Sequence[str]:
    cells = [f"{row.op} (added)" if row.added else row.op, row.tensor if row.added else row.node]
    cells += [" ".join(row.fused), _channels(row)]
    cells += [_ms(row.before_ms)] + ([_ms(row.after_ms), _times(row.speedup)] if compared else [])
    return [*cells, *([_ms(row.predicted_ms)] if predicted else []), percent(result.share(row))]


def _channels(row: Row) -> str:
    """Inputs x outputs, before and after."""
    texts = [f"{widths[0]}x{widths[1]}" for widths in (row.before_widths, row.after_widths) if widths is not None]
    return " -> ".join(dict.fromkeys(texts))


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _times(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x"


def _whole(result: Explanation) -> list[str]:
    texts = []
    for label, ms in result.whole_ms.items():
        kernels = result.kernels_ms[label]
        texts.append(f"{label}: {ms:.4g} ms a run; {kernels:.4g} ms in kernels, profiled ({kernels / ms - 1:+.0%})")
    if len(result.whole_ms) > 1:
        before, after = result.whole_ms.values()
        texts.append(f"whole runs: {before / after:.2f}x as fast (`compressor bench` tells with what certainty)")
    return texts
