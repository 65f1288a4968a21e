"""Tables of ``compressor run``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from compressor.cli_tables import line, table
from compressor.units import seconds, size

if TYPE_CHECKING:
    from rich.console import RenderableType

    from compressor.recipe.planning import Planned
    from compressor.recipe.results import Published
    from compressor.recipe.runner import Run
    from compressor.recipe.store import Entry

_PASSES = ("pass", "changed", "nodes", "max error", "time", "verified in", "peak memory")


def run_tables(run: Run, published: Published) -> list[RenderableType]:
    """A row for each stage and pass, what the stages found, and the files."""
    rows = [
        (name, "cached" if name in run.found else "ran", seconds(entry.seconds), size(entry.peak_bytes))
        for name, entry in run.entries.items()
    ]
    lines: list[RenderableType] = [table(("stage", "", "time", "peak memory"), rows, left=2)]
    passes = [
        (
            one["name"], "yes" if one["changed"] else "no", str(one["nodes"]),
            "" if one["max_error"] is None else f"{one['max_error']:.1g}", seconds(one["seconds"]),
            seconds(one["verify_seconds"]), size(one["peak_bytes"]),
        )
        for entry in run.entries.values()
        for one in entry.passes
    ]  # fmt: skip
    if passes:
        lines.append(table(_PASSES, passes))
    lines += [line(f"{name}: {said}") for name, entry in run.entries.items() for said in entry.lines]
    if published.files:
        lines.append(line(f"written: {', '.join(map(str, published.files.values()))}"))
    else:
        lines.append(line("no model is shown: the run was stopped before stage 'verify' (see --dump-after)", "yellow"))
    return lines


def dry_run_tables(run: Run, listed: Sequence[tuple[Planned, Entry | None]]) -> list[RenderableType]:
    """What would run."""
    rows = []
    for planned, entry in listed:
        took = "" if entry is None else seconds(entry.seconds)
        rows.append((planned.name, "runs" if entry is None else "cached", took))
    left = sum(entry is None for _, entry in listed)
    return [table(("stage", "", "took"), rows, left=2), line(f"{left} of {len(listed)} stages would run, in {run.out}")]
