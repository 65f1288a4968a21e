"""What was asked of a compression besides what to cut, and the time that its stages take."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import onnx_graphsurgeon as gs

from compressor.finetuning import Finetuning
from compressor.model_io import write
from compressor.proof import Progress
from compressor.recover import Recovering
from compressor.targets import PathLike
from compressor.training.torchrun import leads
from compressor.user_evaluation import Evaluate, figures

if TYPE_CHECKING:
    from compressor.training.context import Finetune


@dataclass
class Clock:
    """Seconds by stage; a stage that comes again adds to its own."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is inside."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 4)


@dataclass(frozen=True)
class Job:
    """Where results go, what is done to each cut, and who is asked and told."""

    output: Path
    plan_path: PathLike | None
    verify: bool
    seed: int
    progress: Progress
    finetune: Finetuning | None
    evaluate: Evaluate | None
    recovering: Recovering | None
    clock: Clock = field(default_factory=Clock)

    def figures(self, path: Path) -> dict[str, float | None] | None:
        """The user's figures of a file; each process would find the same, so one asks."""
        return figures(self.evaluate, path) if self.evaluate is not None and leads() else None

    def figures_of(self, graph: gs.Graph) -> dict[str, float | None] | None:
        """The user's figures of a graph that is in no file yet."""
        if self.evaluate is None or not leads():
            return None
        with tempfile.TemporaryDirectory(prefix="compressor-") as folder:
            path = Path(folder) / self.output.name
            write(graph, path)
            return self.figures(path)


def as_finetuning(finetune: Finetune | Finetuning | None) -> Finetuning | None:
    """A function alone is a way of training without data."""
    return finetune if finetune is None or isinstance(finetune, Finetuning) else Finetuning(finetune)
