"""The ready-made fine-tuning function: settings, and the call that carries them out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from torch import nn

from compressor.errors import UsageError
from compressor.training.context import FinetuneContext
from compressor.training.interrupt import Interrupts
from compressor.training.objective import Mixture
from compressor.training.optimization import (
    CONSTANT_SHARE,
    LEARNING_RATES,
    ORIGINAL_SHARE,
    WEIGHT_DECAYS,
    OptimizerName,
    PrecisionName,
    ScheduleName,
)
from compressor.training.precision import weights_in_float32
from compressor.training.rng import own_randomness
from compressor.training.run import Run


@dataclass(frozen=True)
class Trainer:
    """Fine-tunes a module and leaves the best weights of the run in it, those it came with included.

    ``Trainer(epochs=3)(module, context)``; or ``compressor.compress(..., finetune=Trainer(epochs=3))``.

    Attributes:
        epochs: how often the data is gone through; None for no limit, which needs ``seconds``.
        seconds: wall-clock budget; checked after every batch. Such runs are not repeatable bit for bit.
        batch_size: samples in a step, over all processes.
        optimizer: SGD with Nesterov momentum 0.9, or AdamW.
        learning_rate: peak of the schedule; None takes 0.05 for SGD and 0.0005 for AdamW, a fifth of that where it is
            constant.
        schedule: one-cycle or constant; None takes one-cycle, but constant with ``patience``: a run that may end any
            epoch has no cycle to go through, and would be ended while the rate is at its highest.
        original_learning_rate: what the original was trained with; training goes on at a constant tenth of it.
        weight_decay: of what has two axes or more; None takes 0.0005 for SGD and 0.01 for AdamW.
        clip_norm: largest norm of the gradient; None for no clipping.
        patience: stop after so many epochs without improvement on the validation samples; None never stops.
        tail_patience: instead of ``patience`` from the second step of a pruning schedule on; None takes ``patience``.
        min_delta: what counts as improvement for ``patience``.
        monitor: what decides which weights are best: the validation loss or the validation accuracy.
        mixture: label loss, distillation, inner tensors.
        precision: what steps compute in; weights and their updates are float32, of 16-bit files meanwhile too. "auto"
            takes float16 on CUDA where that is safe, and float32 elsewhere; "bfloat16" takes that where safe, on any
            device: on CPUs that multiply in it convolutional networks train in less time.
    """

    epochs: int | None = 3
    seconds: float | None = None
    batch_size: int = 128
    optimizer: OptimizerName = "sgd"
    learning_rate: float | None = None
    schedule: ScheduleName | None = None
    original_learning_rate: float | None = None
    weight_decay: float | None = None
    clip_norm: float | None = None
    patience: int | None = None
    tail_patience: int | None = None
    min_delta: float = 0.0
    monitor: Literal["loss", "accuracy"] = "loss"
    mixture: Mixture = field(default_factory=Mixture)
    precision: PrecisionName = "auto"

    def __post_init__(self) -> None:
        if self.epochs is None and self.seconds is None:
            raise UsageError("a run without end", fix="Give epochs, seconds or both.")
        if self.optimizer not in LEARNING_RATES:
            raise UsageError(f"unknown optimizer {self.optimizer!r}", fix="Choose sgd or adamw.")
        if self.schedule not in (None, "one-cycle", "constant"):
            raise UsageError(f"unknown schedule {self.schedule!r}", fix="Choose one-cycle or constant.")
        if self.precision not in get_args(PrecisionName):
            known = ", ".join(get_args(PrecisionName))
            raise UsageError(f"unknown precision {self.precision!r}", fix=f"Choose one of {known}.")
        if self.monitor not in ("loss", "accuracy"):
            raise UsageError(f"cannot monitor {self.monitor!r}", fix="Choose loss or accuracy.")
        if self.learning_rate is not None and self.original_learning_rate is not None:
            raise UsageError("give the learning rate or the original's, not both")
        if self.tail_patience is not None and self.patience is None:
            raise UsageError("a patience for later steps alone", fix="Give patience for the first one too.")
        self._check_numbers()

    def _check_numbers(self) -> None:
        positive = ("epochs", "seconds", "batch_size", "learning_rate", "original_learning_rate", "clip_norm")
        for name in (*positive, "patience", "tail_patience"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UsageError(f"{name} is {value}", fix="Give a number above 0.")
        if not 0 <= self.mixture.distill <= 1 or self.mixture.features < 0 or not self.mixture.temperature > 0:
            raise UsageError(
                f"mixture {self.mixture} makes no sense", fix="distill is a share, the others are positive."
            )

    @property
    def peak_learning_rate(self) -> float:
        """The highest learning rate of the run."""
        if self.original_learning_rate is not None:
            return ORIGINAL_SHARE * self.original_learning_rate
        if self.learning_rate is not None:
            return self.learning_rate
        return LEARNING_RATES[self.optimizer] * (CONSTANT_SHARE if self.schedule_used == "constant" else 1)

    def patience_at(self, step: int) -> int | None:
        """How many epochs without improvement end a step, counted from 1, of a pruning schedule."""
        return self.patience if step == 1 or self.tail_patience is None else self.tail_patience

    @property
    def schedule_used(self) -> ScheduleName:
        """What was asked for; else constant with patience or the original's learning rate, and one-cycle without."""
        if self.original_learning_rate is not None:
            return "constant"
        return self.schedule or ("one-cycle" if self.patience is None else "constant")

    @property
    def decay(self) -> float:
        """Weight decay."""
        return WEIGHT_DECAYS[self.optimizer] if self.weight_decay is None else self.weight_decay

    def to_json(self) -> dict[str, Any]:
        """The settings as JSON-ready values."""
        used = {"learning_rate": self.peak_learning_rate, "schedule": self.schedule_used, "weight_decay": self.decay}
        return {**asdict(self), **used}

    def __call__(self, module: nn.Module, context: FinetuneContext, /) -> None:
        """Train in place; the module is left on ``context.device``, in evaluation mode.

        Interrupted by Ctrl-C it saves a checkpoint (where ``context.folder`` is given) and raises KeyboardInterrupt;
        called again with the same arguments it goes on, with the same result as if nothing had happened.

        Raises:
            UsageError: no data, or data, settings or a checkpoint that do not fit.
            TrainingError: the loss is no number any more.
        """
        with own_randomness(), Interrupts() as interrupts, weights_in_float32(module, context) as inside:
            Run(self, module, inside, interrupts).complete()
