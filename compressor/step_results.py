"""Results of finished steps on disk: a schedule that was cut short goes on after the last of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx_graphsurgeon as gs
from pydantic import ValidationError

from compressor.choosing import Chooser, Step
from compressor.errors import UsageError
from compressor.job import Job
from compressor.loaded import Loaded
from compressor.model_io import read, write
from compressor.passes.plan import PlanCounts, PlanStep
from compressor.training.torchrun import leads

_FIX = "Remove it to start anew."


@dataclass(frozen=True)
class FinishedStep:
    """A step as it was found on disk."""

    step: Step
    graph: gs.Graph
    record: dict[str, Any]


class StepResults:
    """The steps of one run, in the folder of its checkpoints; without training or a folder nothing is kept.

    A step is two files that appear together: ``step-01.onnx``, as it was trained, and ``step-01.json``.
    """

    def __init__(self, loaded: Loaded, chooser: Chooser, job: Job) -> None:
        wish = job.finetune
        several = len(chooser.shares) > 1
        self._folder = None if wish is None or wish.checkpoints is None or not several else Path(wish.checkpoints)
        self._identity = json.loads(json.dumps(_identity(loaded, chooser, job)))

    def save(self, number: int, step: Step, graph: gs.Graph, record: Mapping[str, Any]) -> None:
        """Keep a finished step, whole or not at all."""
        if self._folder is None or not leads():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        taken = PlanStep(share=step.share, after=step.after, cuts=step.cuts).model_dump()
        content = {"identity": self._identity, "before": step.before.model_dump(), "step": taken, "record": record}
        model = self._path(number)
        write(graph, model, {model.with_suffix(".json"): json.dumps(content, indent=1).encode()})

    def load(self, number: int) -> FinishedStep | None:
        """A step that was finished before, if it was.

        Raises:
            UsageError: it is damaged, or of another run.
            ModelFileError: its graph cannot be read.
        """
        if self._folder is None or not self._path(number).with_suffix(".json").is_file():
            return None
        path = self._path(number).with_suffix(".json")
        try:
            content = json.loads(path.read_bytes())
            theirs, before = content["identity"], PlanCounts.model_validate(content["before"])
            taken, record = PlanStep.model_validate(content["step"]), dict(content["record"])
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise UsageError(
                f"cannot be read as a step: {str(error).splitlines()[0]}", where=str(path), fix=_FIX
            ) from error
        names = sorted(theirs.keys() | self._identity.keys())
        differing = [name for name in names if theirs.get(name) != self._identity.get(name)]
        if differing:
            raise UsageError(f"belongs to another run: other {', '.join(differing)}", where=str(path), fix=_FIX)
        return FinishedStep(Step(taken.share, taken.cuts, before, taken.after), read(self._path(number)), record)

    def _path(self, number: int) -> Path:
        return (self._folder or Path()) / f"step-{number:02}.onnx"


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
