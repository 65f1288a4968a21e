"""One run of the trainer: epochs of steps, validation, the best weights, checkpoints."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from compressor.bridge.tensor_types import to_torch
from compressor.errors import CompressorError, UsageError
from compressor.training import checkpoint
from compressor.training.batch_norm import reestimate_batch_norms
from compressor.training.best import Best
from compressor.training.context import FinetuneContext
from compressor.training.data import Samples
from compressor.training.interrupt import Interrupts
from compressor.training.rng import random_state, restore, seed_all
from compressor.training.stepper import Stepper
from compressor.training.validation import Validation, validate

if TYPE_CHECKING:
    from compressor.training.trainer import Trainer


_LABELS_COMPARED = 64


class TrainingError(CompressorError):
    """Training went wrong in a way that waiting does not cure."""


class Run:
    """State of a run; everything that a checkpoint holds is here or in the stepper."""

    def __init__(self, trainer: Trainer, module: nn.Module, context: FinetuneContext, interrupts: Interrupts) -> None:
        if context.train is None:
            raise UsageError("there is nothing to train on", fix="Give --data.")
        if context.validation is None and trainer.patience is not None:
            raise UsageError("patience needs validation samples", fix="Set some aside, or leave patience out.")
        self._trainer, self._context, self._interrupts = trainer, context, interrupts
        self._train: Samples = context.train
        self._identity = {} if context.folder is None else _identity(trainer, module, context)  # digests of all weights
        self._module = module.to(context.device)
        self._history: list[dict[str, Any]] = []
        self._epoch, self._batch = 0, 0  # where we are: whole epochs, batches of the current one
        self._loss_sum = self._number(0.0)  # on the device: reading it after every step would wait for the step
        self._spent_s, self._since = 0.0, time.perf_counter()
        seed_all(context.seed, context.step, 0, context.workers.rank)
        self._stepper = Stepper(trainer, self._module, context)
        self._best = Best(trainer.monitor, trainer.min_delta)

    def complete(self) -> None:
        """Go through with it, from the checkpoint if there is one."""
        if not self._resume():
            self._begin()
            self._save(done=False)
            self._stop_if_asked()
        while not self._over():
            self._run_epoch()
            self._stop_if_asked()  # it may have been asked during validation
        self._best.put_back(self._module)
        self._module.eval()
        for entry in self._history:
            self._context.record(entry)
        self._save(done=True)

    def _number(self, value: float) -> Tensor:
        device = self._context.device
        return torch.tensor(value, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)

    def _begin(self) -> None:
        """Epoch 0: the module as it came, or, right after a cut, with new statistics where those are better."""
        if self._context.target > 0:
            self._best.offer(0, self._validation(), self._module)
            size, device = self._share_of_batch(), self._context.device
            batch_norms = reestimate_batch_norms(self._module, self._train, size, device)
            if batch_norms and self._context.validation is not None:
                self._best.offer(0, self._validation(), self._module)
                self._best.put_back(self._module)
        self._note_epoch(None)

    def _validation(self) -> Validation | None:
        return validate(self._stepper.objective, self._context, self._share_of_batch())

    def _share_of_batch(self) -> int:
        """Samples of a batch that one process sees."""
        return self._stepper.batch_size // self._context.workers.world_size

    # -- epochs ------------------------------------------------------------------------------------

    def _run_epoch(self) -> None:
        context, stepper = self._context, self._stepper
        if self._batch == 0:
            seed_all(context.seed, context.step, self._epoch + 1, context.workers.rank)
        while self._batch < stepper.batches and not self._out_of_time():
            self._loss_sum += stepper.step(self._epoch, self._batch, self._progress())
            self._batch += 1
            self._tell()
            self._stop_if_asked()
        mean = self._mean_loss()
        self._epoch, self._batch, self._loss_sum = self._epoch + 1, 0, self._number(0.0)
        context.workers.share_state(self._module)
        self._note_epoch(mean)
        self._save(done=self._over())

    def _mean_loss(self) -> float | None:
        """Of this epoch, over all processes; None where time ran out before its first batch."""
        workers, device = self._context.workers, self._context.device
        total, batches = workers.summed([float(self._loss_sum), float(self._batch)], device)
        if not batches:
            return None
        mean = total / batches
        if not math.isfinite(mean):
            self._best.put_back(self._module)
            raise TrainingError(
                f"the loss is {mean} in epoch {self._epoch + 1}",
                fix="Lower the learning rate, or clip gradients (--clip).",
            )
        return mean

    def _note_epoch(self, train_loss: float | None) -> None:
        """Validate, keep the weights if they are the best, write the history's entry."""
        found = self._validation()
        self._best.offer(self._epoch, found, self._module)
        self._history.append(
            {
                "epoch": self._epoch,
                "train_loss": train_loss,
                "validation_loss": None if found is None or not math.isfinite(found.loss) else found.loss,
                "validation_accuracy": None if found is None else found.accuracy,
                "seconds": round(self._elapsed_s(), 3),
            }
        )

    def _tell(self) -> None:
        """Batches of the whole run, or seconds where nothing but time ends it."""
        context, trainer = self._context, self._trainer
        stage = "fine-tune" if context.steps == 1 else f"fine-tune, step {context.step} of {context.steps}"
        if trainer.epochs is not None:
            batches = self._stepper.batches
            context.progress(stage, self._epoch * batches + self._batch, trainer.epochs * batches)
        elif trainer.seconds is not None:
            context.progress(stage, min(int(self._elapsed_s()), int(trainer.seconds)), int(trainer.seconds))

    # -- the end -----------------------------------------------------------------------------------

    def _over(self) -> bool:
        trainer = self._trainer
        finished = trainer.epochs is not None and self._epoch >= trainer.epochs
        patience = trainer.patience_at(self._context.step)
        weary = patience is not None and self._best.epochs_since(self._epoch) >= patience
        return finished or weary or self._out_of_time()

    def _out_of_time(self) -> bool:
        if self._trainer.seconds is None:
            return False
        elapsed_s = self._context.workers.from_leader(self._elapsed_s(), self._context.device)
        return elapsed_s >= self._trainer.seconds

    def _elapsed_s(self) -> float:
        return self._spent_s + time.perf_counter() - self._since

    def _progress(self) -> float:
        """The share of the run that is done: of the epochs or of the time, whichever is further."""
        shares = []
        if self._trainer.epochs is not None:
            total = self._trainer.epochs * self._stepper.batches
            shares.append((self._epoch * self._stepper.batches + self._batch) / total)
        if self._trainer.seconds is not None:
            elapsed_s = self._context.workers.from_leader(self._elapsed_s(), self._context.device)
            shares.append(min(1.0, elapsed_s / self._trainer.seconds))
        return max(shares)

    # -- checkpoints -------------------------------------------------------------------------------

    def _stop_if_asked(self) -> None:
        if not self._interrupts.asked:
            return
        if self._context.workers.alone:  # several processes may be at different batches: their last epoch counts
            self._save(done=False)
        raise KeyboardInterrupt

    def _save(self, done: bool) -> None:
        context = self._context
        if context.folder is not None and context.workers.leads:
            checkpoint.save(self._path(), self._state(done), self._identity)
        context.workers.meet()

    def _path(self) -> Path:
        return (self._context.folder or Path()) / f"step-{self._context.step:02}.pt"

    def _state(self, done: bool) -> dict[str, Any]:
        return {
            "done": done,
            "epoch": self._epoch,
            "batch": self._batch,
            "loss_sum": float(self._loss_sum),
            "spent_s": self._elapsed_s(),
            "history": self._history,
            "module": self._module.state_dict(),
            "stepper": self._stepper.state(),
            "best": self._best.state(),
            "random": random_state(),
        }

    def _resume(self) -> bool:
        """Go on from this run's checkpoint, if there is one."""
        found = None if self._context.folder is None else checkpoint.load(self._path(), self._identity)
        if found is None:
            return False
        self._module.load_state_dict(found["module"])
        self._stepper.restore(found["stepper"])
        self._best.restore(found["best"])
        self._history = found["history"]
        self._epoch, self._batch, self._loss_sum = found["epoch"], found["batch"], self._number(found["loss_sum"])
        self._spent_s, self._since = found["spent_s"], time.perf_counter()
        restore(found["random"])
        return True


def _identity(trainer: Trainer, module: nn.Module, context: FinetuneContext) -> dict[str, Any]:
    """What the result depends on; a checkpoint of anything else is none of ours."""
    return {
        "settings": trainer.to_json(),
        "seed": context.seed,
        "step": context.step,
        "schedule": list(context.schedule),
        "processes": context.workers.world_size,
        "training samples": 0 if context.train is None else len(context.train),
        "validation samples": 0 if context.validation is None else len(context.validation),
        "labels": [_labels_digest(context.train), _labels_digest(context.validation)],
        "weights before": checkpoint.weights_digest(module.state_dict()),
        "teacher": checkpoint.weights_digest(context.teacher.state_dict()) if trainer.mixture.needs_teacher else None,
        "torch": torch.__version__,
    }


def _labels_digest(samples: Samples | None) -> str | None:
    """ "sha256:..." over the labels of a few samples: inputs may be drawn anew each time, labels are theirs."""
    if samples is None:
        return None
    few = np.unique(np.linspace(0, len(samples) - 1, _LABELS_COMPARED).astype(np.int64))
    labels = samples.batch(few).labels
    return None if labels is None else checkpoint.weights_digest({"labels": to_torch(labels, "labels")})
