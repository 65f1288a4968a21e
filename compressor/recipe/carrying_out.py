"""A recipe from its file to its results: what ``compressor run`` and ``compressor.run_recipe`` do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from compressor.proof import Progress, silent
from compressor.recipe.lock import Locked, read_lock
from compressor.recipe.naming import check_names
from compressor.recipe.results import Published, publish, spare_inputs
from compressor.recipe.runner import Run
from compressor.recipe.schema import read_recipe
from compressor.targets import PathLike


def run_recipe(
    recipe: PathLike, out: PathLike | None = None, *, stop_after: str | None = None, dump_after: Sequence[str] = (),
    locked: bool = False, progress: Progress = silent,
) -> Published:  # fmt: skip
    """Carry out a recipe, stage by stage. What has not changed since it was last run in ``out`` is not run again.

    Args:
        recipe: a YAML or .json file.
        out: folder for the results, and for those of finished stages (``out``/.stages); by default called as the
            recipe, with "-run" at its end.
        stop_after: the last stage to run; no model is shown before stage "verify".
        dump_after: stages and passes after which the model is written to ``out``/dump.
        locked: refuse a run that differs from recipe.lock, beside the recipe or in ``out``.
        progress: called with (what, done, total).

    Returns:
        The files, what run.json says, and the exit code that a stage (such as a gate) asked for.

    Raises:
        UsageError: the recipe makes no sense, or names what is not there.
        LockError: the run is not the locked one.
        CompressorError: of a stage; finished stages are kept.
    """
    return carry_out(
        prepared(Path(recipe), None if out is None else Path(out), stop_after, dump_after, locked, progress)
    )


def prepared(
    path: Path, out: Path | None, stop_after: str | None = None, dump_after: Sequence[str] = (), locked: bool = False,
    progress: Progress = silent,
) -> Run:  # fmt: skip
    """The run, before anything is touched; arguments and errors as above."""
    recipe = read_recipe(path)
    check_names(recipe, stop_after, dump_after)
    folder = out or Path(f"{path.stem}-run")
    watcher = Locked(*read_lock(recipe, folder)) if locked else None
    run = Run(recipe, folder, stop_after, tuple(dump_after), watcher, progress)
    run.prepare()
    spare_inputs(run)
    return run


def carry_out(run: Run) -> Published:
    """Run what is not there yet, and show the results."""
    with run.store.opened():
        run.carry_out()
        published = publish(run)
        run.store.tidy(list(run.entries.values()))
    return published
