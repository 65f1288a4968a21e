"""``compressor inspect``: what can be cut from a model, and what is fixed and why."""

from __future__ import annotations

from typing import Annotated

import typer

from compressor.cli_options import JsonFlag, ModelArgument
from compressor.cli_output import emit, emit_json, progress


def inspect(
    model: ModelArgument,
    everything: Annotated[
        bool, typer.Option("--all", help="List every fixed axis and every coupled parameter.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show a model's channel spaces, what hangs together, and what is fixed and why."""
    from compressor.cli_tables import inspection_tables
    from compressor.inspection import inspect_model

    with progress("reading and analysing"):
        result = inspect_model(model)
    if as_json:
        emit_json(result.to_json())
    else:
        emit(*inspection_tables(result, everything=everything))
