"""What a fine-tuning function is told: ``finetune(module, context) -> None``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import onnx_graphsurgeon as gs
import torch
from numpy.typing import NDArray
from torch import nn

from compressor.bridge import OnnxModule, from_onnx
from compressor.errors import UsageError
from compressor.proof import Progress, silent
from compressor.training.data import Samples
from compressor.training.wanted import wanted_inputs
from compressor.training.workers import Workers

KeptMasks: TypeAlias = Callable[[str], "Sequence[NDArray[np.bool_] | None]"]


class Finetune(Protocol):
    """Trains the module in place: its parameters are the graph's initializers. What it returns is ignored."""

    def __call__(self, module: nn.Module, context: FinetuneContext, /) -> None:
        """See FinetuneContext."""


@dataclass
class FinetuneContext:
    """One step of a pruning schedule, as the fine-tuning function sees it.

    Attributes:
        step: number of this step, from 1.
        schedule: share removed after each step, cumulative; one-shot pruning has one.
        metric: what the shares are of: "params", "macs" or "channels"; empty where nothing was pruned.
        device: where to train; the module comes on the CPU and may be left anywhere.
        seed: of everything that is drawn at random.
        train: samples to train on; None where no data was given.
        validation: samples to stop by; None where none were set aside.
        folder: where checkpoints go; None for none.
        workers: the processes that train together.
        progress: called with (stage, done, total).
        original: the graph before any pruning, for the teacher.
        kept: for the name of an inner tensor of the original, a mask per axis of what the pruned graph still has of
            it (None where all of it); None where nothing was pruned.
        history: one entry an epoch, appended by ``record``; ends in the results.
    """

    step: int = 1
    schedule: tuple[float, ...] = (0.0,)
    metric: str = ""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seed: int = 0
    train: Samples | None = None
    validation: Samples | None = None
    folder: Path | None = None
    workers: Workers = field(default_factory=Workers)
    progress: Progress = silent
    original: gs.Graph | None = None
    kept: KeptMasks | None = None
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.schedule)

    @property
    def target(self) -> float:
        """Share removed by now, cumulative."""
        return self.schedule[self.step - 1]

    @property
    def batch_is_fixed(self) -> bool:
        """Whether the file names the size of its batch; a module made of it may take no other."""
        return self.original is not None and any(want.fixed_batch for want in wanted_inputs(self.original))

    @cached_property
    def teacher(self) -> OnnxModule:
        """The original as a module, in evaluation mode, on ``device``, without gradients; made when first asked for.

        Raises:
            UsageError: there is no original.
        """
        if self.original is None:
            raise UsageError("distillation needs the original model", fix="Give --teacher ORIGINAL.")
        module: OnnxModule = from_onnx(self.original).to(self.device).eval()
        return module.requires_grad_(False)

    def record(self, entry: Mapping[str, Any]) -> None:
        """Note what happened in an epoch: numbers and words only, for the results."""
        self.history.append({"step": self.step, **entry})
