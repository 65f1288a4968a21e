"""A trainer that shares one budget among all steps of a schedule, so that every regime gets the same in all."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from compressor.study.recipe import Budget

if TYPE_CHECKING:
    from torch import nn

    from compressor.training.context import FinetuneContext
    from compressor.training.trainer import Trainer


def weights_of(shares: Sequence[float], split: str) -> list[float]:
    """What each step weighs: -log of what it keeps of what was left, or 1.

    Args:
        shares: cumulative, of the original, as ``cumulative`` gives them.
        split: "relative" or "even".
    """
    if split == "even":
        return [1.0] * len(shares)
    kept = [1.0, *(1.0 - share for share in shares)]
    return [math.log(before / after) for before, after in itertools.pairwise(kept)]


def allotted(left: float, weights: Sequence[float], step: int, *, whole: bool) -> float:
    """What step ``step``, from 1, may take of what is left.

    Args:
        left: epochs or seconds that no step before has used.
        weights: of all steps.
        whole: epochs: at least one for this step and for each later one.
    """
    later = weights[step - 1 :]
    part = left * later[0] / sum(later)
    if not whole:
        return part
    return float(max(1, min(int(left) - (len(later) - 1), round(part))))


@dataclass
class SharedBudget:
    """A fine-tuning function for the steps of one trial, called for each in turn.

    Attributes:
        trainer: settings; its epochs and seconds are replaced.
        budget: of all steps together.
        shares: cumulative, of all steps.
        spent: epochs or seconds used by each step so far; epochs: how many of those each has run.
    """

    trainer: Trainer
    budget: Budget
    shares: Sequence[float]
    spent: list[float] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)

    def __call__(self, module: nn.Module, context: FinetuneContext, /) -> None:
        """Train one step; see FinetuneContext."""
        step = len(self.spent) + 1
        before, start = len(context.history), time.perf_counter()
        self._of_step(step)(module, context)
        seconds = time.perf_counter() - start
        self.epochs.append(sum(1 for entry in context.history[before:] if entry["epoch"] > 0))
        self.spent.append(float(self.epochs[-1]) if self.budget.epochs is not None else seconds)

    def _of_step(self, step: int) -> Trainer:
        whole = self.budget.epochs is not None
        total = float(self.budget.epochs or self.budget.seconds or 0)
        weights = weights_of(self.shares, self.budget.split)
        part = allotted(max(total - sum(self.spent), 1e-3), weights, step, whole=whole)
        patience = self.trainer.patience_at(step)
        limits: dict[str, Any] = {"epochs": int(part)} if whole else {"epochs": None, "seconds": part}
        return replace(self.trainer, patience=patience, tail_patience=None, **limits)

    def to_json(self) -> dict[str, Any]:
        """Settings and what was used, JSON-ready."""
        settings = {**self.trainer.to_json(), "epochs": self.budget.epochs, "seconds": self.budget.seconds}
        return {**settings, "split": self.budget.split, "spent": list(self.spent)}
