"""A study from its recipe to the files of its results: what ``compressor study run`` and ``run_study`` do."""

from __future__ import annotations

from pathlib import Path

from compressor.errors import EnvironmentProblem
from compressor.proof import Progress, silent
from compressor.study.outcome import Outcome, outcome_of, write_outcome
from compressor.study.reading import read_recipe
from compressor.study.workers import Job, run
from compressor.targets import PathLike


def run_study(
    recipe: PathLike, out: PathLike | None = None, *, workers: int = 1, storage: str | None = None,
    retry_failed: bool = False, progress: Progress = silent,
) -> Outcome:  # fmt: skip
    """Do the trials of a study that are left, and write what there is by then; a study that was cut short goes on.

    Args:
        recipe: a YAML or .json file; docs/study.md has every key.
        out: folder for study.json, table.csv and trials.csv; by default called as the recipe, with "-study" at its end.
        workers: processes of this machine; a script that asks for several needs ``if __name__ == "__main__":``.
        storage: URL of the database that workers share, also those of other machines; by default
            ``out``/study.db, for one machine.
        retry_failed: do trials again that ended in an error.
        progress: called with (what, done, total).

    Returns:
        Every finished trial, the curves, and which regime overtakes which.

    Raises:
        UsageError: the recipe makes no sense, or the storage holds a study of another recipe.
        EnvironmentProblem: Optuna is not installed, the storage does not answer, or the folder cannot be made.
    """
    job, folder = prepared_job(Path(recipe), None if out is None else Path(out), storage)
    outcome = outcome_of(run(job, workers, retry_failed=retry_failed, progress=progress))
    write_outcome(outcome, folder)
    return outcome


def prepared_job(recipe: Path, out: Path | None, storage: str | None) -> tuple[Job, Path]:
    """The study and the folder of its results, which is made.

    Raises:
        UsageError: the recipe makes no sense; no folder is made then.
        EnvironmentProblem: the folder cannot be made.
    """
    read_recipe(recipe)
    folder = out or Path(f"{recipe.stem}-study")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"cannot be made: {error.strerror}", where=str(folder), fix="Choose --out.") from error
    return Job(recipe, storage or f"sqlite:///{folder / 'study.db'}"), folder
