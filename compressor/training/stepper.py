"""One optimiser step after the other: batches, loss, gradients, learning rate, precision, processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from compressor.errors import UsageError
from compressor.training.context import FinetuneContext
from compressor.training.data import Indices, Samples, shuffled
from compressor.training.objective import Objective
from compressor.training.optimization import learning_rate_at, make_optimizer, set_learning_rate
from compressor.training.precision import computed_in, lay_out, widen
from compressor.training.tensors import on_device

if TYPE_CHECKING:
    from compressor.training.trainer import Trainer


class Stepper:
    """Everything that a step needs.

    Attributes:
        objective: what goes down.
        batch_size: samples in a step, over all processes.
        batches: steps in an epoch; what does not fill a batch is left out, other samples in every epoch.
    """

    def __init__(self, trainer: Trainer, module: nn.Module, context: FinetuneContext) -> None:
        if context.train is None or not any(parameter.requires_grad for parameter in module.parameters()):
            raise UsageError("there is nothing to train")
        self._trainer, self._context = trainer, context
        self._train: Samples = context.train
        self.batch_size = _batch_size(trainer.batch_size, len(self._train), context.workers.world_size)
        self.batches = len(self._train) // self.batch_size
        self._parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._optimizer = make_optimizer(trainer.optimizer, module, trainer.peak_learning_rate, trainer.decay)
        self._computed_in = computed_in(trainer.precision, context.device)
        self._scaler = torch.amp.GradScaler("cuda", enabled=self._computed_in == torch.float16)
        lay_out(module, self._computed_in)
        if trainer.mixture.needs_teacher:
            widen(context.teacher)
            lay_out(context.teacher, self._computed_in)
        module.eval()
        self.objective = self._settle(module)
        self._network = self._distributed(module)

    def _settle(self, module: nn.Module) -> Objective:
        """Try one batch of the real size: what does not fit shows here."""
        inputs, labels = on_device(self._train.batch(np.arange(self.batch_size, dtype=np.int64)), self._context.device)
        try:
            return Objective(module, self._context, self._trainer.mixture, inputs, labels)
        except RuntimeError as error:
            sizes = ", ".join(str(list(tensor.shape)) for tensor in inputs)
            raise UsageError(
                f"the model cannot run on inputs {sizes}: {str(error).splitlines()[0]}",
                fix="Give a batch size that the file allows, or export it with a dynamic batch.",
            ) from error

    def _distributed(self, module: nn.Module) -> nn.Module:
        if self._context.workers.alone:
            return self.objective.network
        device = self._context.device
        several = len(getattr(module, "output_names", ())) > 1  # then some parameters may get no gradient
        return DistributedDataParallel(
            self.objective.network, device_ids=[device.index] if device.type == "cuda" else None,
            find_unused_parameters=several,
        )  # fmt: skip

    def step(self, epoch: int, batch: int, progress: float) -> Tensor:
        """Move the weights once; the loss before that, on the device.

        Args:
            epoch, batch: which samples, counted from 0.
            progress: the share of the run that is done, which decides the learning rate.
        """
        context, trainer = self._context, self._trainer
        inputs, labels = on_device(self._train.batch(self._chosen(epoch, batch)), context.device)
        set_learning_rate(
            self._optimizer, learning_rate_at(trainer.schedule_used, trainer.peak_learning_rate, progress)
        )
        self._network.train()
        with torch.autocast(context.device.type, self._computed_in, enabled=self._computed_in != torch.float32):
            loss, _ = self.objective(self._network, inputs, labels)
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        if trainer.clip_norm is not None:
            self._scaler.unscale_(self._optimizer)
            nn.utils.clip_grad_norm_(self._parameters, trainer.clip_norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return loss.detach()

    def _chosen(self, epoch: int, batch: int) -> Indices:
        """This process's samples of a batch."""
        context = self._context
        order = shuffled(len(self._train), context.seed, context.step, epoch)
        whole = order[batch * self.batch_size : (batch + 1) * self.batch_size]
        return whole[context.workers.rank :: context.workers.world_size]

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"optimizer": self._optimizer.state_dict(), "scaler": self._scaler.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self._optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:
            self._scaler.load_state_dict(state["scaler"])


def _batch_size(asked: int, samples: int, world_size: int) -> int:
    """The largest batch up to ``asked`` that the data fills and the processes can share evenly."""
    size = min(asked, samples) // world_size * world_size
    if size == 0:
        raise UsageError(
            f"{samples} samples in batches of {asked} are too few for {world_size} processes",
            fix="Take larger batches or fewer processes.",
        )
    return size
