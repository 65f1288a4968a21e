"""What a run leaves in its output folder: the model, files of the stages, run.json and recipe.lock.

They appear when all that was asked for is done. Names that belong to a run and whose content is another first go, then
the new files are renamed into place: whoever looks, also after a kill in between, sees whole files of one run only.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compressor.atomic import FileSet
from compressor.errors import UsageError
from compressor.model_io import data_files, read, same_file
from compressor.recipe.code_version import code_version, library_versions
from compressor.recipe.lock import LOCK, lock_of
from compressor.recipe.planning import hardware
from compressor.recipe.runner import Run
from compressor.recipe.stage import INPUT, MODEL, stages_in_order
from compressor.study.paths import file_digest

RUN = "run.json"
PROVEN = "verify"
"""The stage after which a model is shown."""
_VERSION = 1


@dataclass(frozen=True)
class Published:
    """What a run came to.

    Attributes:
        files: what is shown in the output folder, by name.
        report: what run.json holds.
        exit_code: that a stage asked for, 0 if none.
    """

    files: dict[str, Path]
    report: dict[str, Any]
    exit_code: int


def publish(run: Run) -> Published:
    """Show the results of a run. Nothing of a run that was stopped before its model was proven.

    Raises:
        ModelFileError: the folder cannot be written to.
    """
    code = next((entry.exit_code for entry in run.entries.values() if entry.exit_code), 0)
    if PROVEN not in run.entries:
        return Published({}, report_of(run, {}), code)
    sources = shown_files(run)
    digests = {name: file_digest(path) for name, path in sources.items()}
    report = report_of(run, digests)
    written: dict[str, bytes | Path] = dict(sources)
    if run.stop_after is None:
        written[LOCK] = _bytes(lock_of(run))
    written[RUN] = _bytes(report)
    _put(run.out, written)
    return Published({name: run.out / name for name in written}, report, code)


def shown_names() -> set[str]:
    """Every name that a run may show, or remove because it is of an older one."""
    names = {MODEL, f"{MODEL}.data", LOCK, RUN}
    return names | {name for _, stage in stages_in_order() for name in stage.publishes}


def spare_inputs(run: Run) -> None:
    """Refuse a run whose results would replace what it reads.

    Raises:
        UsageError: names the file.
    """
    recipe = run.recipe
    inputs = [recipe.path]
    if INPUT in run.inputs:
        inputs += [recipe.model(), *data_files(read(recipe.model()))]
    inputs += [Path(recipe.placed(name).partition(":")[0]) for one in run.planned for name in one.sources]
    for name in sorted(shown_names()):
        if any(same_file(run.out / name, path) for path in inputs):
            fix = "Choose another folder with --out."
            raise UsageError(
                "the results would replace a file that the recipe reads", where=str(run.out / name), fix=fix
            )


def shown_files(run: Run) -> dict[str, Path]:
    """Name in the output folder -> file of a stage."""
    folder, _, _ = run.final().model.partition("/")
    found = {}
    if folder in run.entries:
        entry = run.entries[folder]
        found = {name: entry.folder / name for name in (MODEL, f"{MODEL}.data") if name in entry.files}
    for planned in run.stages():
        entry = run.entries[planned.name]
        found |= {name: entry.folder / name for name in planned.stage.publishes if name in entry.files}
    return found


def report_of(run: Run, files: Mapping[str, str]) -> dict[str, Any]:
    """run.json: a function of the finished stages alone, so that it is the same after a kill."""
    stages = [{**entry.to_json(), "place": number + 1} for number, entry in enumerate(run.entries.values())]
    return {
        "kind": "run", "version": _VERSION, "recipe": run.recipe.values.model_dump(mode="json", exclude_none=True),
        "seed": run.recipe.seed, "stages": stages, "files": dict(files), "stopped_after": run.stop_after,
        "compressor": code_version(), "libraries": library_versions(), "hardware": hardware(),
    }  # fmt: skip


def _put(out: Path, written: Mapping[str, bytes | Path]) -> None:
    differing = {name for name, content in written.items() if _digest(out / name) != _digest(content)}
    stale = [name for name in shown_names() if name in differing or name not in written]
    with FileSet(out) as files:
        for name in written:
            if name not in differing:
                continue
            files.about(out / name)
            content = written[name]
            with files.create(out / name) as file:
                if isinstance(content, bytes):
                    file.write(content)
                else:
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, file)
                files.sync(file)
        for name in sorted(stale):
            (out / name).unlink(missing_ok=True)
        files.commit()


def _digest(content: bytes | Path) -> str | None:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with contextlib.suppress(OSError):
        return file_digest(content) if content.is_file() else None
    return None


def _bytes(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, allow_nan=False) + "\n").encode()
