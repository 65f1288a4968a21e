"""The best weights so far, really copied, and how long ago they were found."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor, nn

from compressor.errors import UsageError
from compressor.training.checkpoint import copied
from compressor.training.validation import Validation


class Best:
    """Keeps the weights with the best validation figure; the state before training counts as epoch 0.

    Without validation samples the latest weights are the best.
    """

    def __init__(self, monitor: str, min_delta: float) -> None:
        self._monitor, self._min_delta = monitor, min_delta
        self._score = math.inf  # smaller is better
        self._weights: dict[str, Tensor] = {}
        self.epoch = 0
        self._patience_score, self._patience_epoch = math.inf, 0  # moves by min_delta at least

    def offer(self, epoch: int, found: Validation | None, module: nn.Module) -> None:
        """Keep the module's weights if they are the best so far."""
        if found is None:
            self.epoch, self._weights = epoch, copied(module.state_dict())
            return
        score = self._score_of(found)
        if score < self._score or not self._weights:
            self._score, self.epoch, self._weights = score, epoch, copied(module.state_dict())
        if score < self._patience_score - self._min_delta:
            self._patience_score, self._patience_epoch = score, epoch

    def _score_of(self, found: Validation) -> float:
        if self._monitor == "loss":
            return found.loss if math.isfinite(found.loss) else math.inf
        if found.accuracy is None:
            raise UsageError("floating-point or missing labels have no accuracy", fix="Monitor the loss.")
        return -found.accuracy

    def epochs_since(self, epoch: int) -> int:
        """Epochs without an improvement by ``min_delta``."""
        return epoch - self._patience_epoch

    def put_back(self, module: nn.Module) -> None:
        """Give the module the best weights."""
        module.load_state_dict(self._weights)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        patience = [self._patience_score, self._patience_epoch]
        return {"score": self._score, "epoch": self.epoch, "weights": self._weights, "patience": patience}

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self._score, self.epoch, self._weights = state["score"], state["epoch"], state["weights"]
        self._patience_score, self._patience_epoch = state["patience"]
