"""``compressor demo``: the embedded network, cut, proven and measured here."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path
from typing import Annotated

import typer

from compressor.cli_options import JsonFlag
from compressor.cli_output import OUTCOME, emit, emit_json, progress, warn


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the files; made if missing.")] = Path(
        "demo-output"
    ),
    as_json: JsonFlag = False,
) -> None:
    """Cut a trained digit classifier to several sizes, recover it; show accuracy, size and latency of each."""
    from compressor.cli_tables import line, table
    from compressor.demo import run_demo
    from compressor.demo_report import HEADINGS, REPORT, RESULT, notes, rows

    with progress("cutting and measuring; about a minute") as report:
        result = run_demo(out, progress=report)
    OUTCOME.written[:] = [str(out)]
    for warning in result.latency.warnings:
        warn(warning)
    if as_json:
        emit_json(result.to_json())
        return
    listed = table(astuple(HEADINGS), [astuple(row) for row in rows(result)])
    emit(listed, *map(line, notes(result)), line(f"models, plans, {RESULT} and {REPORT}: {out}"))
