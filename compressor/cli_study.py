"""``compressor study``: regimes against each other, from one recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compressor.cli_options import JsonFlag
from compressor.cli_output import OUTCOME, emit, emit_json, progress, warn

if TYPE_CHECKING:
    from compressor.study.outcome import Outcome

study = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=False,
    help="Compare regimes, ratios, criteria and models over seeds, at equal budgets.",
)  # fmt: skip

RecipeArgument = Annotated[Path, typer.Argument(metavar="RECIPE", help="A .yaml or .json file; see docs/study.md.")]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage", metavar="URL", show_default="DIR/study.db",
        help="sqlite:///FILE for one machine, postgresql://... for many.",
    ),
]  # fmt: skip
OutOption = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="DIR", help="For results.", show_default="RECIPE's name + -study")
]
PlotsOption = Annotated[bool, typer.Option("--plots/--no-plots", help="Draw; needs Matplotlib.")]


@study.command("run")
def run_study(
    recipe: RecipeArgument,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes of this machine.")] = 1,
    storage: StorageOption = None,
    out: OutOption = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Do trials again that ended in an error.")
    ] = False,
    plots: PlotsOption = True,
    as_json: JsonFlag = False,
) -> None:
    """Do the trials that are left; started again, or elsewhere with the same storage, it joins."""
    from compressor.study.outcome import outcome_of
    from compressor.study.running import prepared_job
    from compressor.study.workers import run

    job, folder = prepared_job(recipe, out, storage)
    with progress("study") as report:
        shared = run(job, workers, retry_failed=retry_failed, progress=report)
    if _finish(outcome_of(shared), folder, plots, as_json):
        raise typer.Exit(1)  # workers died


@study.command("table")
def show_table(
    recipe: RecipeArgument, storage: StorageOption = None, out: OutOption = None, plots: PlotsOption = True,
    as_json: JsonFlag = False,
) -> None:  # fmt: skip
    """Show and write what the study has found so far, while it runs or later."""
    from compressor.study.outcome import outcome_of
    from compressor.study.running import prepared_job

    job, folder = prepared_job(recipe, out, storage)
    _finish(outcome_of(job.open()), folder, plots, as_json)


def _finish(outcome: Outcome, folder: Path, plots: bool, as_json: bool) -> int:
    """Write and show; how many trials are left."""
    from compressor.study.outcome import write_outcome

    OUTCOME.written[:] = [str(path) for path in write_outcome(outcome, folder)]
    OUTCOME.written += _plotted(outcome, folder) if plots else []
    if as_json:
        emit_json(outcome.to_json())
    else:
        from compressor.cli_study_table import lines

        emit(*lines(outcome), f"written: {', '.join(OUTCOME.written)}")
    for failure in outcome.failures:
        warn(f"{failure.trial.key}: {failure.error}")
    left = outcome.tally.total - outcome.tally.done - outcome.tally.failed
    if left:
        warn(f"{left} of {outcome.tally.total} trials are not done yet")
    if outcome.failures:
        raise typer.Exit(1)
    return left


def _plotted(outcome: Outcome, folder: Path) -> list[str]:
    """Plots are extra: without Matplotlib there is a line, and everything else."""
    from compressor.errors import EnvironmentProblem
    from compressor.study.plots import write_plots

    try:
        found: list[Any] = write_plots(outcome, folder)
    except EnvironmentProblem as error:
        warn(error.one_line())
        return []
    return [str(path) for path in found]
