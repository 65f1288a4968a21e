"""``compressor report``: one page for people, of results for machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compressor.cli_options import JsonFlag
from compressor.cli_output import OUTCOME, emit, emit_json, progress


def report(
    results: Annotated[
        list[Path],
        typer.Argument(metavar="RESULT...", help="JSON of compress, bench, gate, run, why, inspect, or a plan."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The HTML page; it needs no network.")],
    card: Annotated[Path | None, typer.Option("--card", metavar="FILE", help="A Markdown model card too.")] = None,
    title: Annotated[str | None, typer.Option("--title", help="Of both.", show_default="the model's name")] = None,
    before: Annotated[
        Path | None, typer.Option("--before", metavar="A", help="The original's file, for a table of layers.")
    ] = None,
    after: Annotated[Path | None, typer.Option("--after", metavar="B", help="The smaller model's file.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a page of results: what was gained, how sure that is, how it came about, how to do it again.

    Of a run, give run.json: what lies beside it is read too.
    """
    from compressor.report.report import make_report

    with progress("reading"):
        made = make_report(results, output, card=card, title=title, before=before, after=after)
    written = [str(path) for path in (output, card) if path is not None]
    OUTCOME.written += written
    sections = [section.title for section in made.sections]
    if as_json:
        emit_json({"kind": "report", "version": 1, "title": made.title, "sections": sections, "files": written})
    else:
        from compressor.cli_tables import line

        emit(line(f"{', '.join(written)}: {', '.join(sections)}"))
