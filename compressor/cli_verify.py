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
    trained: Annotated[
        bool, typer.Option("--trained", help="PRUNED was fine-tuned or recovered: compare all but its values.")
    ] = False,
    inputs: Annotated[int, typer.Option("--inputs", min=1, help="Random inputs to try.")] = 3,
    seed: SeedOption = 0,
    as_json: JsonFlag = False,
) -> None:
    """Prove that PRUNED equals ORIGINAL with the removed channels silenced (exit code 1 if not)."""
    if trained:
        _structure(original, pruned, plan, as_json)
        return
    from compressor.cli_tables import proof_line
    from compressor.proof import verify_files

    with progress("reading and analysing") as report:
        evidence = verify_files(original, pruned, plan, inputs=inputs, seed=seed, progress=report).to_json()
    if as_json:
        named = {"original": str(original), "pruned": str(pruned), "plan": str(plan)}
        emit_json({"kind": "verification", "version": 1, **named, **evidence})
    else:
        emit(proof_line(evidence))


def _structure(original: Path, pruned: Path, plan: Path, as_json: bool) -> None:
    from compressor.cli_tables import line
    from compressor.structure_proof import verify_structure

    with progress("reading and analysing"):
        nodes = verify_structure(original, pruned, plan)
    if as_json:
        named = {"original": str(original), "pruned": str(pruned), "plan": str(plan)}
        emit_json({"kind": "structure verification", "version": 1, **named, "nodes": nodes})
    else:
        emit(line(f"proven: {nodes} nodes are those of one cut of the original; values were trained, and not compared"))
