"""Results of finished steps on disk: a schedule that was cut short goes on after the last of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import onnx_graphsurgeon as gs
from pydantic import ValidationError

from compressor.atomic import write_bytes
from compressor.choosing import Chooser, Step
from compressor.errors import UsageError
from compressor.finetuning import Finetuning
from compressor.job import Job
from compressor.loaded import Loaded
from compressor.model_io import read, write
from compressor.passes.plan import PlanCounts, PlanStep
from compressor.target_options import MEASURED
from compressor.training.torchrun import leads

_FIX = "Remove it to start anew."
_CHOICE = ".choice.json"


@dataclass(frozen=True)
class FinishedStep:
    """A step as it was found on disk."""

    step: Step
    graph: gs.Graph
    record: dict[str, Any]


class StepResults:
    """The steps of one run, in the folder of its checkpoints; without training or a folder nothing is kept.

    A step is two files that appear together: ``step-01.onnx``, as it was trained, and ``step-01.json``. What a step
    takes is kept beside them before it is trained, ``step-01.choice.json``, where it comes of measuring: measured again
    it would not be quite the same, and a checkpoint of its training none of its own.
    """

    def __init__(self, loaded: Loaded, chooser: Chooser, job: Job) -> None:
        wish = job.finetune
        self._folder = None if wish is None or wish.checkpoints is None else Path(wish.checkpoints)
        self._measured = chooser.made_with.get("metric") in MEASURED
        self._identity = json.loads(json.dumps(_identity(loaded, chooser, job)))

    def save(self, number: int, step: Step, graph: gs.Graph, record: Mapping[str, Any]) -> None:
        """Keep a finished step, whole or not at all."""
        if self._folder is None or not leads():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        model = self._path(number)
        write(graph, model, {model.with_suffix(".json"): self._content(step, record=record)})

    def save_choice(self, number: int, step: Step) -> None:
        """Keep what a step takes, where it was measured."""
        if self._folder is None or not self._measured or not leads():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        write_bytes(self._path(number).with_suffix(_CHOICE), self._content(step, latency=step.latency))

    def _content(self, step: Step, **more: Any) -> bytes:
        taken = PlanStep(share=step.share, after=step.after, cuts=step.cuts).model_dump()
        content = {"identity": self._identity, "before": step.before.model_dump(), "step": taken, **more}
        return json.dumps(content, indent=1).encode()

    def load(self, number: int) -> FinishedStep | None:
        """A step that was finished before, if it was.

        Raises:
            UsageError: it is damaged, or of another run.
            ModelFileError: its graph cannot be read.
        """
        found = self._read(number, ".json", "record")
        return None if found is None else FinishedStep(found[0], read(self._path(number)), found[1])

    def load_choice(self, number: int) -> Step | None:
        """What a step takes, if that was found out before.

        Raises:
            UsageError: the file is damaged, or of another run.
        """
        found = self._read(number, _CHOICE, "latency") if self._measured else None
        return None if found is None else replace(found[0], latency=found[1])

    def _read(self, number: int, suffix: str, more: str) -> tuple[Step, dict[str, Any]] | None:
        """A step, and what else its file says."""
        if self._folder is None or not self._path(number).with_suffix(suffix).is_file():
            return None
        path = self._path(number).with_suffix(suffix)
        try:
            content = json.loads(path.read_bytes())
            theirs, before = content["identity"], PlanCounts.model_validate(content["before"])
            taken, said = PlanStep.model_validate(content["step"]), dict(content[more])
            names = sorted(theirs.keys() | self._identity.keys())
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            raise UsageError(
                f"cannot be read as a step: {str(error).splitlines()[0]}", where=str(path), fix=_FIX
            ) from error
        differing = [name for name in names if theirs.get(name) != self._identity.get(name)]
        if differing:
            raise UsageError(f"belongs to another run: other {', '.join(differing)}", where=str(path), fix=_FIX)
        return Step(taken.share, taken.cuts, before, taken.after), said

    def _path(self, number: int) -> Path:
        return (self._folder or Path()) / f"step-{number:02}.onnx"


def share_begun_with(wish: Finetuning | None, ms: float) -> float | None:
    """The share of the original's time that a run with this goal in milliseconds took it for, if one was begun.

    The original is not measured again then: its time would be another, and so would the goal. Whether the run is the
    same one otherwise is told when its first step is loaded.
    """
    folder = None if wish is None or wish.checkpoints is None else Path(wish.checkpoints)
    if folder is None or not (folder / f"step-01{_CHOICE}").is_file():
        return None
    try:
        choice = json.loads((folder / f"step-01{_CHOICE}").read_bytes())["identity"]["choice"]
        found = float(choice["keep"]) if choice["latency_ms"] == ms else None
    except (ValueError, KeyError, TypeError):
        return None  # load_choice says what is wrong with it
    return found if found is not None and 0 < found < 1 else None


def _identity(loaded: Loaded, chooser: Chooser, job: Job) -> dict[str, Any]:
    """What the result of a step depends on, as far as it can be told."""
    wish = job.finetune
    function: Any = None if wish is None else wish.function
    settings = function.to_json() if hasattr(function, "to_json") else None
    recovering = None if job.recovering is None else asdict(job.recovering)
    return {
        "model": loaded.digest,
        "schedule": list(chooser.shares),
        "choice": dict(chooser.made_with),
        "seed": job.seed,
        "training": getattr(function, "spec", None) or getattr(function, "__name__", type(function).__name__),
        "settings": settings,
        "data": None if wish is None else [_named(wish.data), wish.validation, wish.pixels],
        "recovery": None if recovering is None else {**recovering, "data": _named(recovering["data"])},
    }


def _named(data: Any) -> str | None:
    return str(data) if isinstance(data, str | Path) else None if data is None else "given"
