"""Writes reports: all files appear whole, together, or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from compressor.atomic import FileSet
from compressor.errors import EnvironmentProblem, UsageError
from compressor.gate.report import GateReport
from compressor.gate.reports.benchmark_json import benchmark_json
from compressor.gate.reports.junit import junit
from compressor.gate.reports.markdown import markdown
from compressor.model_io import same_file

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"
_MOST_SUMMARY_BYTES = 1 << 20  # what GitHub takes for one step

FORMS = {
    "output": lambda report: json.dumps(report.to_json(), allow_nan=False) + "\n",
    "junit": junit,
    "markdown": markdown,
    "benchmark_json": benchmark_json,
}


def check_targets(targets: Mapping[str, Path], inputs: list[Path]) -> None:
    """Refuse names that would replace an input or each other, before anything is measured.

    Raises:
        UsageError: they would, one is a folder, or its folder is not there.
    """
    paths = list(targets.values())
    for index, path in enumerate(paths):
        clash = next((other for other in (*inputs, *paths[:index]) if same_file(path, other)), None)
        if clash is not None:
            raise UsageError(f"would replace {clash}", where=str(path), fix="Choose another name.")
        if path.is_dir():
            raise UsageError("is a folder", where=str(path), fix="Choose the name of a file.")
        if not path.absolute().parent.is_dir():
            raise UsageError("its folder does not exist", where=str(path), fix="Create the folder first.")


def write_reports(report: GateReport, targets: Mapping[str, Path]) -> list[Path]:
    """Write each form that is asked for.

    Args:
        report: the answer.
        targets: path by the name of the form (``FORMS``).

    Raises:
        ModelFileError: the disk is full, the folder read-only, and the like; no file is there then.
    """
    if not targets:
        return []
    with FileSet(next(iter(targets.values()))) as files:
        for form, path in targets.items():
            files.about(path)
            with files.create(path) as file:
                file.write(FORMS[form](report).encode("utf-8", "backslashreplace"))
                files.sync(file)
        files.commit()
    return list(targets.values())


def append_summary(report: GateReport) -> bool:
    """Add the Markdown to the summary of this step of a GitHub workflow; False where there is none.

    Raises:
        EnvironmentProblem: the file cannot be written.
    """
    named = os.environ.get(SUMMARY_VARIABLE)
    if not named:
        return False
    text = markdown(report).encode("utf-8", "backslashreplace")
    try:
        with Path(named).open("ab") as file:
            left = max(0, _MOST_SUMMARY_BYTES - file.tell())  # beyond it the runner refuses all of it
            file.write(text[:left].decode("utf-8", "ignore").encode())  # no half of a character
    except OSError as error:
        raise EnvironmentProblem(f"cannot be written: {error.strerror}", where=named) from error
    return True
