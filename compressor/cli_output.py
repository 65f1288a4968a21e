"""What goes where: results to stdout (tables, or JSON alone), progress and messages to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

from compressor.plain_text import plain

if TYPE_CHECKING:
    from rich.console import RenderableType

Report: TypeAlias = Callable[[str, int, int], None]

_UNLIMITED_COLUMNS = 10_000  # into a pipe or a file: rows are never broken, so that grep finds them whole


@dataclass
class Outcome:
    """What this run has left on the disk so far."""

    written: list[str] = field(default_factory=list)


OUTCOME = Outcome()


def emit_json(value: dict[str, Any]) -> None:
    """Print a JSON document, the only thing on stdout."""
    _write(json.dumps(value, indent=1, allow_nan=False) + "\n")


def emit(*renderables: RenderableType) -> None:
    """Print tables and texts. Strings are taken literally: no markup, no emoji, no highlighting."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _UNLIMITED_COLUMNS
    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False, width=width)
    with console.capture() as captured:
        for renderable in renderables:
            console.print(renderable)
    _write("\n".join(line.rstrip() for line in captured.get().split("\n")))


def warn(message: str) -> None:
    """One line on stderr that does not end the run."""
    sys.stderr.write(f"warning: {plain(message)}\n")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def silence(stream: TextIO) -> None:
    """Point a broken stream at nothing, or Python would complain once more when it flushes at exit."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)


@contextmanager
def progress(first: str) -> Iterator[Report]:
    """A reporter ``(stage, done, total)`` that draws bars on stderr where that is a terminal, else nothing."""
    if not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True, markup=False, emoji=False)
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    ) as bars:
        tasks = {"": bars.add_task(first, total=None)}

        def report(stage: str, done: int, total: int) -> None:
            bars.update(tasks[""], description=first)
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report
