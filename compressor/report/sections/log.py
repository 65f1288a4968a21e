"""What was done when: stages and passes with their time and memory."""

from __future__ import annotations

from compressor.report.blocks import Section, Table
from compressor.report.results import Results
from compressor.report.run_documents import Run
from compressor.report.section import section
from compressor.units import seconds, size

_STAGES = ("stage", "what it found", "time", "peak memory")
_PASSES = ("pass", "changed", "nodes", "max error", "time", "verified in", "peak memory")


@section("log", 90)
def log(results: Results) -> Section | None:
    """Of runs, and the seconds of compressions on their own."""
    found = Section("Log")
    for run in results.runs:
        found.blocks += _run(run)
    if not results.runs:
        for one in results.every_compression():
            rows = [(name, seconds(spent)) for name, spent in one.seconds.items()]
            found.blocks += [Table(("stage", "time"), list(rows))] if rows else []
    return found


def _run(run: Run) -> list[Table]:
    stages = [
        (one.stage, " ".join(f"{said.rstrip('.')}." for said in one.lines), seconds(one.seconds), size(one.peak_bytes))
        for one in run.stages
    ]
    passes = [
        (
            one.name, "yes" if one.changed else "no", str(one.nodes),
            "" if one.max_error is None else f"{one.max_error:.1g}", seconds(one.seconds), seconds(one.verify_seconds),
            size(one.peak_bytes),
        )
        for stage in run.stages for one in stage.passes
    ]  # fmt: skip
    tables = [Table(_STAGES, list(stages), left=2)]
    return [*tables, Table(_PASSES, list(passes))] if passes else tables
