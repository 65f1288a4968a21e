"""``compressor verify``: proves that a pruned file is its original less what a plan removes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from compressor.cli_options import JsonFlag, SeedOption
from compressor.cli_output import emit, emit_json, progress


def verify(
    original: Annotated[Path, typer.Argument(metavar="ORIGINAL", help="The model before pruning.")],
    pruned: Annotated[Path, typer.Argument(metavar="PRUNED", help="The model after pruning.")],
    plan: Annotated[Path, typer.Option("--plan", metavar="PLAN", help="The plan that `compress --plan` saved.")],
    inputs: Annotated[int, typer.Option("--inputs", min=1, help="Random inputs to try.")] = 3,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Prove that PRUNED equals ORIGINAL with the removed channels silenced (exit code 1 if not)."""
    from compressor.cli_tables import proof_line
    from compressor.proof import verify_files

    with progress("reading and analysing") as report:
        evidence = verify_files(original, pruned, plan, inputs=inputs, seed=seed, progress=report).to_json()
    if as_json:
        named = {"original": str(original), "pruned": str(pruned), "plan": str(plan)}
        emit_json({"kind": "verification", "version": 1, **named, **evidence})
    else:
        emit(proof_line(evidence))
