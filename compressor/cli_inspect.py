"""``compressor inspect``: what can be cut from a model, and what is fixed and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compressor.cli_options import JsonFlag, ModelArgument
from compressor.cli_output import OUTCOME, emit, emit_json, progress
from compressor.errors import UsageError


def inspect(
    model: ModelArgument,
    everything: Annotated[
        bool, typer.Option("--all", help="List every fixed axis and every coupled parameter.")
    ] = False,
    space: Annotated[
        str | None, typer.Option("--space", metavar="NAME", help="Show one channel space in full.")
    ] = None,
    why: Annotated[
        str | None,
        typer.Option("--why", metavar="PARAM[:AXIS]", help="Explain a parameter, or one of its axes."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page that shows it all; it needs no network.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show a model's channel spaces, what hangs together, and what is fixed and why."""
    from compressor.cli_inspect_tables import explained, inspection_tables, space_in_full
    from compressor.inspection import inspect_model

    if as_json and (space is not None or why is not None):
        raise UsageError("--json holds every space and every reason", fix="Leave out --space and --why.")
    with progress("reading and analysing"):
        result = inspect_model(model, html=html)
    if html is not None:
        OUTCOME.written.append(str(html))
    if as_json:
        emit_json(result.to_json())
    elif space is None and why is None:
        emit(*inspection_tables(result, everything=everything))
    else:
        if space is not None:
            emit(*space_in_full(result, space))
        if why is not None:
            emit(*explained(result, why))
