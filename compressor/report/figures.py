"""Numbers as reports write them."""

from __future__ import annotations

from collections.abc import Sequence

from compressor.report.blocks import Cell, Tone
from compressor.report.documents import Ratio

TONES: dict[str, Tone] = {
    "faster": "good", "pass": "good", "slower": "bad", "fail": "bad", "inconclusive": "unsure", "environment": "unsure",
}  # fmt: skip


def ratio_text(after: float, before: float) -> str:
    """after / before, where there is such a thing."""
    return f"{after / before:.3f}" if before else ""


def interval_text(ratio: Ratio) -> str:
    """Low to high; another confidence than 95 % is said."""
    said = f"{ratio.low:.3f} to {ratio.high:.3f}"
    return said if ratio.confidence == 0.95 else f"{said} ({ratio.confidence * 100:g} %)"


def within_text(interval: Sequence[float] | None) -> str:
    """An interval of 95 %, where there is one."""
    return "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def verdict_cell(verdict: str) -> Cell:
    """With its colour."""
    return Cell(verdict, TONES.get(verdict, ""))


def milliseconds(value: float) -> str:
    """Four digits."""
    return f"{value:.4g} ms"


def figure(value: float | None) -> str:
    """A user's own figure."""
    return "none" if value is None else f"{value:.5g}"
