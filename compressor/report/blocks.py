"""What a report is built of, whatever it is written as: sections of tables, lists, code and plots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from compressor.plain_text import plain
from compressor.report.plots.chart import Chart

Tone: TypeAlias = Literal["good", "bad", "unsure", ""]
LONGEST = 400
"""Characters of a name or a message that are shown; what is longer loses its middle."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table whose colour says something too."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        heads: names of the columns.
        rows: as many cells each.
        left: how many columns from the left are words.
    """

    heads: tuple[str, ...]
    rows: list[tuple[Cell | str, ...]]
    left: int = 1

    def cells(self) -> list[list[Cell]]:
        """The rows, all as cells."""
        return [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in self.rows]


@dataclass(frozen=True)
class Items:
    """Sentences, each on its own."""

    texts: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Lines to be copied."""

    text: str


@dataclass(frozen=True)
class Folded:
    """A long table that a page shows when it is opened; a card leaves it out."""

    summary: str
    table: Table


Block: TypeAlias = Table | Items | Code | Folded | Chart


@dataclass
class Section:
    """A part of a report under its own heading.

    Attributes:
        title: the heading.
        blocks: in order.
        card: whether a model card has it too.
    """

    title: str
    blocks: list[Block] = field(default_factory=list)
    card: bool = False


def shown(text: str, longest: int = LONGEST) -> str:
    """Text as reports show it: control characters spelled out, the middle of what is too long left out."""
    safe = plain(text[: 4 * longest] + text[-4 * longest :] if len(text) > 8 * longest else text)
    if len(safe) <= longest:
        return safe
    head = longest * 2 // 3
    return f"{safe[:head]} … {safe[-(longest - head) :]}"
