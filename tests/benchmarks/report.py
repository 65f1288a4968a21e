"""What every benchmark prints and saves: the machine, its tables, and JSON under build/benchmarks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from compressor.backends.fingerprint import fingerprint

FOLDER = Path(__file__).resolve().parents[2] / "build" / "benchmarks"


def load_average() -> list[float]:
    """Of the last 1, 5 and 15 minutes: other work on the machine makes timings worse."""
    return [round(value, 2) for value in os.getloadavg()]


def machine_line() -> str:
    """The machine in one line."""
    machine = fingerprint()
    libraries = ", ".join(f"{name} {version}" for name, version in machine.libraries.items())
    return (
        f"{machine.cpu_model}, {machine.affinity} CPUs, {machine.memory_bytes / 2**30:.0f} GiB; "
        f"Python {machine.python}, {libraries}; load {load_average()[0]}"
    )


def new_table(title: str, *headings: str) -> Table:
    """A table whose first column is text and whose others are numbers."""
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    return table


def show(console: Console, table: Table) -> None:
    """Print a table and the machine it was measured on."""
    console.print(table)
    console.print(machine_line(), style="dim")


def save(name: str, results: Any, load_before: list[float]) -> Path:
    """Write results as JSON; returns the file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    document = {
        "kind": f"benchmark-{name}",
        "results": results,
        "load_before": load_before,
        "load_after": load_average(),
        "environment": fingerprint().to_json(),
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path
