"""``compressor run``: a recipe, stage by stage, each cached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compressor.cli_options import JsonFlag
from compressor.cli_output import OUTCOME, emit, emit_json, progress
from compressor.errors import UsageError

if TYPE_CHECKING:
    from compressor.recipe.results import Published
    from compressor.recipe.runner import Run


def run(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE", help="A YAML or .json file; `compressor init` writes one.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="For results.", show_default="RECIPE's name + -run"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run and what is there already; change nothing.")
    ] = False,
    stop_after: Annotated[str | None, typer.Option("--stop-after", metavar="STAGE", help="Run no later stage.")] = None,
    dump_after: Annotated[
        list[str] | None,
        typer.Option("--dump-after", metavar="NAME", help="Write the model after a stage or pass, to DIR/dump."),
    ] = None,
    locked: Annotated[
        bool, typer.Option("--locked", help="Refuse a run that differs from recipe.lock, beside RECIPE or in DIR.")
    ] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of recipes.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Carry out a recipe: export, clean, analyse, prune, recover, fine-tune, fold, verify, bench, gate, report.

    A stage whose inputs, settings and code are the same is not run again; a run that was cut short goes on.
    """
    if schema:
        from compressor.recipe.schema import json_schema

        emit(json_schema().rstrip())
        return
    if recipe is None:
        raise UsageError("there is no recipe to run", fix="Name a file; `compressor init MODEL` writes one.")
    from compressor.recipe.carrying_out import prepared

    carried = prepared(recipe, out, stop_after, dump_after or [], locked)
    if dry_run:
        _foretell(carried, as_json)
        return
    published = _carry_out(carried)
    if as_json:
        emit_json(published.report)
    else:
        from compressor.cli_run_tables import run_tables

        emit(*run_tables(carried, published))
    if published.exit_code:
        raise typer.Exit(published.exit_code)


def _carry_out(run: Run) -> Published:
    from compressor.recipe.carrying_out import carry_out

    with _interruptions(run), progress("running the recipe") as report:
        run.progress = report
        published = carry_out(run)
        OUTCOME.written[:] = [str(path) for path in published.files.values()]
    return published


@contextmanager
def _interruptions(run: Run) -> Iterator[None]:
    """An interruption inside says from where the same command goes on."""
    try:
        yield
    except KeyboardInterrupt:
        if run.entries and not OUTCOME.written:
            last = list(run.entries)[-1]
            OUTCOME.written.append(f"{run.store.folder} (the same command goes on after stage {last!r})")
        raise


def _foretell(run: Run, as_json: bool) -> None:
    listed = run.foretell()
    if as_json:
        stages: list[dict[str, Any]] = [
            {"stage": planned.name, "cached": entry is not None} for planned, entry in listed
        ]
        emit_json({"kind": "dry run", "version": 1, "out": str(run.out), "stages": stages})
        return
    from compressor.cli_run_tables import dry_run_tables

    emit(*dry_run_tables(run, listed))
