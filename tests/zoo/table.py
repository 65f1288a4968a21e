"""The sweep's table, one row at a time, and what it adds up to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.zoo.row import Row

WIDE_REACH = 0.95
# heading, width, how a row fills it
COLUMNS: list[tuple[str, int, Callable[[Row], str]]] = [
    ("name", 35, lambda row: row.name),
    ("exporter", 11, lambda row: row.exporter),
    ("nodes", 5, lambda row: _number(row.nodes)),
    ("spaces", 6, lambda row: _number(row.spaces)),
    ("soft", 4, lambda row: _number(row.soft_spaces)),
    ("branches", 8, lambda row: _number(row.branches)),
    ("atoms", 6, lambda row: _number(row.atoms)),
    ("cut", 4, lambda row: "-" if row.width is None else "all" if row.width else "hard"),
    ("reached", 7, lambda row: _number(row.reached, ".3f")),
    ("params", 6, lambda row: _number(row.params_kept, ".3f")),
    ("error", 7, lambda row: _number(row.max_error, ".1e")),
    ("analyse", 7, lambda row: _number(row.analyse_s, ".3f")),
    ("rewrite", 7, lambda row: _number(row.rewrite_s, ".3f")),
    ("sizes", 5, lambda row: str(max(len(row.sizes), 1)) if row.max_error is not None else "-"),
    ("", 4, lambda row: "[red]FAIL[/red]" if row.failure else "[green]ok[/green]"),
    ("fixed because", 80, lambda row: escape(reasons(row.fixed))),
]
_LEFT = {"name", "exporter", "cut", "", "fixed because"}
LINE = sum(width + 1 for _, width, _ in COLUMNS)


def _number(value: float | None, spec: str = "") -> str:
    return "-" if value is None else format(value, spec)


def reasons(fixed: dict[str, int], most: int = 3) -> str:
    """The commonest reasons with their counts."""
    ordered = sorted(fixed.items(), key=lambda item: -item[1])
    text = "; ".join(f"{reason} x{count}" for reason, count in ordered[:most])
    return text + (f"; {len(ordered) - most} more" if len(ordered) > most else "")


def _grid() -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1, 0, 0))
    for heading, width, _ in COLUMNS:
        table.add_column(width=width, justify="left" if heading in _LEFT else "right", no_wrap=True)
    return table


def print_heading(console: Console) -> None:
    """The headings, once."""
    table = _grid()
    table.add_row(*(f"[bold]{heading}[/bold]" for heading, _, _ in COLUMNS))
    console.print(table)


def print_row(console: Console, row: Row) -> None:
    """One network, as soon as it is known."""
    table = _grid()
    table.add_row(*(cell(row) for _, _, cell in COLUMNS))
    console.print(table)
    if row.failure:
        console.print(f"    [red]{escape(row.failure)}[/red]")


def summary(rows: Sequence[Row], wanted: int) -> list[str]:
    """Lines: how many are right, how fast, how far pruning reaches, and each failure with its cause."""
    passed = [row for row in rows if row.failure is None]
    lines = [f"{len(passed)} of {wanted} ok" + (f" ({wanted - len(rows)} not tried)" if len(rows) < wanted else "")]
    timed = [(row.seconds, row.name) for row in rows if row.seconds is not None]
    if timed:
        median, (worst, slowest) = statistics.median(seconds for seconds, _ in timed), max(timed)
        lines.append(f"analysis + rewrite: median {median:.3f} s, worst {worst:.3f} s ({slowest})")
    reached = [row.reached for row in rows if row.reached is not None]
    if reached:
        wide = sum(share >= WIDE_REACH for share in reached)
        lines.append(f"weights reached at least {WIDE_REACH:g}: {wide} of {len(reached)}")
        narrow = [
            f"{row.name} {row.reached:.3f}" for row in rows if row.reached is not None and row.reached < WIDE_REACH
        ]
        if narrow:
            lines.append(f"below it: {', '.join(narrow)}")
    errors = [(row.max_error, row.name) for row in rows if row.max_error is not None]
    if errors:
        lines.append(f"largest error: {max(errors)[0]:.1e} ({max(errors)[1]})")
    lines += [f"FAIL {row.name}: {row.failure}" for row in rows if row.failure]
    return lines
