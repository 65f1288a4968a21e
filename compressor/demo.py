"""The demo: the embedded network cut to several sizes, proven, recovered without training, and measured.

Recovery looks at unlabelled training pictures; nothing is fine-tuned.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import compressor
from compressor.atomic import FileSet
from compressor.backends.base import open_model
from compressor.backends.comparison import Comparison
from compressor.backends.timing import compare
from compressor.errors import EnvironmentProblem, UsageError
from compressor.models.demo import demo_model_path, load_digits, load_digits_test
from compressor.passes.selection import Options
from compressor.pipeline import compress
from compressor.results import Compression, Counts
from compressor.targets import PathLike

Progress: TypeAlias = Callable[[str, int, int], None]

BATCH = 32
ORIGINAL = "original"
CRITERION = "l2"
CALIBRATION = "calibration.npz"
SAMPLES = 1024


@dataclass(frozen=True)
class Setting:
    """One cut of the demo; criterion, scope and sizes were chosen on the validation split."""

    label: str
    macs: float
    round_to: int
    file_stem: str


SETTINGS = (
    Setting("at most 0.75 of the MACs", 0.75, 8, "digits_macs75"),
    Setting("at most 0.5", 0.5, 8, "digits_macs50"),
    Setting("at most 0.25", 0.25, 8, "digits_macs25"),
    Setting("at most 0.5, any width", 0.5, 1, "digits_macs50_any_width"),  # what ignoring the hardware costs
)


@dataclass(frozen=True)
class Cut:
    """One model of the demo.

    Attributes:
        file, plan: names in the output folder; no plan for the original.
        command: the command line that gives the same file.
        correct: test pictures classified right.
        correct_cut: the same straight after the cut, before recovery; None for the original.
        result: what ``compress`` said, with names as in the output folder; None for the original.
    """

    label: str
    file: str
    plan: str | None
    command: str | None
    correct: int
    correct_cut: int | None
    counts: Counts
    result: Compression | None

    @property
    def verification(self) -> dict[str, Any] | None:
        """Evidence that pruned equals masked; None for the original."""
        return None if self.result is None else self.result.verification

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values, of the result only the evidence."""
        plain = {name: value for name, value in vars(self).items() if name not in ("counts", "result")}
        return {**plain, "counts": asdict(self.counts), "verification": self.verification}


@dataclass(frozen=True)
class Demo:
    """What the demo measured.

    Attributes:
        pictures: size of the test split.
        batch: pictures per timed run.
        cuts: the original first.
        latency: all of them, timed in turns.
        seconds: the demo as a whole.
    """

    folder: str
    pictures: int
    batch: int
    cuts: list[Cut]
    latency: Comparison
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values; accuracies are shares of the test pictures."""
        cuts = [{**cut.to_json(), "accuracy": cut.correct / self.pictures} for cut in self.cuts]
        head = {"kind": "demo", "version": 2, "compressor": compressor.__version__, "folder": self.folder}
        return {
            **head,
            "pictures": self.pictures,
            "batch": self.batch,
            "cuts": cuts,
            "latency": self.latency.to_json(samples=False),
            "seconds": self.seconds,
        }


def run_demo(
    folder: PathLike, *, processes: int = 5, min_time_s: float = 1.5, progress: Progress = lambda *_: None
) -> Demo:
    """Cut, prove and measure the embedded network; write models, plans, result.json and report.html.

    Args:
        folder: made if missing; files of earlier demos in it are replaced, all together at the end.
        processes, min_time_s: as ``compressor.backends.timing.compare``.
        progress: called with (stage, done, total).

    Raises:
        UsageError: the folder is a file.
        EnvironmentProblem: it cannot be made or written to.
        CompressorError: of any of the steps.
    """
    from compressor.demo_report import report_files

    start = time.perf_counter()
    folder = Path(folder)
    with _output_folder(folder), tempfile.TemporaryDirectory(prefix="compressor-demo-") as scratch:
        work = Path(scratch)
        cuts = list(_cuts(work, progress))
        pictures, labels = load_digits_test()
        latency = compare(
            {cut.label: work / cut.file for cut in cuts}, {"image": pictures[:BATCH]}, threads=1, processes=processes,
            min_time_s=min_time_s, progress=lambda done, total: progress("measure latency", done, total),
        )  # fmt: skip
        spent = round(time.perf_counter() - start, 2)
        demo = Demo(str(folder), len(labels), BATCH, cuts, latency, spent)
        report_files(demo, work)
        _put_in_place(work, folder)
    return demo


def _cuts(work: Path, progress: Progress) -> Iterator[Cut]:
    original = work / demo_model_path().name
    shutil.copyfile(demo_model_path(), original)
    np.savez(work / CALIBRATION, image=load_digits("train")[0][:SAMPLES])
    right = correct_answers(original)
    for number, setting in enumerate(SETTINGS):
        cut, before = _cut(setting, original, right)
        if number == 0:
            yield Cut(ORIGINAL, original.name, None, None, right, None, before, None)
        yield cut
        progress("cut, prove and recover", number + 1, len(SETTINGS))


def _cut(setting: Setting, original: Path, right_before: int) -> tuple[Cut, Counts]:
    """One of the cuts, and the original's counts."""
    file, plan = f"{setting.file_stem}.onnx", f"{setting.file_stem}.plan.json"
    work, options = original.parent, Options(scope="global", round_to=setting.round_to)
    cut_only = work / "cut_only.onnx"
    compress(original, cut_only, macs=setting.macs, criterion=CRITERION, options=options)
    right_cut = correct_answers(cut_only)
    cut_only.unlink()
    result = compress(
        original, work / file, macs=setting.macs, criterion=CRITERION, options=options, plan_path=work / plan,
        data=work / CALIBRATION, samples=SAMPLES,
    )  # fmt: skip
    command = (
        f"compressor compress {original.name} -o {file} --macs {setting.macs:g} --criterion {CRITERION} "
        f"--scope global --round-to {setting.round_to} --data {CALIBRATION} --plan {plan}"
    )
    right, pictures = correct_answers(work / file), len(load_digits_test()[1])
    counted = {"original": right_before, "pruned": right_cut, "final": right}
    accuracies = {which: {"accuracy": found / pictures} for which, found in counted.items()}
    named = replace(result, model=original.name, output=file, plan=plan, evaluation=accuracies)
    return Cut(setting.label, file, plan, command, right, right_cut, result.after, named), result.before


def correct_answers(model: Path) -> int:
    """How many pictures of the test split a model file classifies right, run by ONNX Runtime."""
    pictures, labels = load_digits_test()
    with open_model(model, threads=1) as session:
        (logits,) = session.run({"image": pictures}).values()
    return int(np.count_nonzero(logits.argmax(axis=1) == labels))


@contextmanager
def _output_folder(folder: Path) -> Iterator[None]:
    """Make the folder now, so that a bad one is known before the work; on failure, take it back."""
    if folder.exists() and not folder.is_dir():
        raise UsageError("is a file, not a folder", where=str(folder), fix="Choose another folder with --out.")
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    finished = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        yield
        finished = True
    except OSError as error:
        raise EnvironmentProblem(
            f"cannot be written to: {error.strerror}", where=str(folder), fix="Choose another folder with --out."
        ) from error
    finally:
        if not finished:
            for path in made:
                with contextlib.suppress(OSError):  # never made, or somebody else's files are in it by now
                    path.rmdir()


def _put_in_place(work: Path, folder: Path) -> None:
    with FileSet(folder) as files:
        for source in sorted(work.iterdir()):
            with files.create(folder / source.name) as file:
                file.write(source.read_bytes())
                files.sync(file)
        files.commit()
