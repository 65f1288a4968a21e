"""``compressor init``: a commented recipe for a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compressor.cli_options import JsonFlag, SeedOption
from compressor.cli_output import OUTCOME, emit, emit_json, progress
from compressor.errors import UsageError


def init(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="An ONNX file, or file.py:name that builds a module.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Where the recipe goes.")] = Path(
        "recipe.yaml"
    ),
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="[NAME=]SHAPE[:TYPE]", help="Of a module: 1x3x224x224. Repeatable."),
    ] = None,
    dynamic: Annotated[
        list[str] | None,
        typer.Option("--dynamic", metavar="SYMBOL", help="Of a module: batch, or x:2=height. Repeatable."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Write a commented recipe: what was found in MODEL, and defaults that fit it."""
    from compressor.recipe.writing import ExportRequest, write_recipe

    if dynamic and not inputs:
        raise UsageError("--dynamic is for a module, whose --input is missing", fix="Give --input 1x3x224x224.")
    request = ExportRequest(inputs, dynamic or []) if inputs else None
    with progress("looking at the model") as report:
        found = write_recipe(model, output, request=request, replace=force, seed=seed, progress=report)
        OUTCOME.written[:] = [str(output)]
    if as_json:
        emit_json({"kind": "recipe", "version": 1, "recipe": str(output), "model": model, "spaces": len(found.spaces)})
    else:
        emit(f"recipe: {output}", f"next: compressor run {output} --dry-run")
