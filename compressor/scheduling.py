"""Which schedule, with which settings: as given, or advised, or tried out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass, replace
from typing import Any

from compressor.errors import UsageError
from compressor.finetuning import Finetuning
from compressor.passes.schedule import SCHEDULES, cumulative

AUTO = "auto"
TAIL_PATIENCE = 3
"""In a hybrid schedule without a patience of its own for the tail, the first cut has so many times its patience."""


@dataclass(frozen=True)
class Scheduling:
    """How the target is come to.

    Attributes:
        name: of a registered schedule, or "auto".
        settings: of the schedule: steps, rate, first, of, base, shares.
        trials: for "auto": epochs that each candidate is trained for, altogether, before the best is carried out;
            None takes the paper's advice.
    """

    name: str = "one-shot"
    settings: Mapping[str, Any] = field(default_factory=dict)
    trials: int | None = None

    def __post_init__(self) -> None:
        if self.name != AUTO:
            SCHEDULES.get(self.name)
        if self.trials is not None and self.name != AUTO:
            raise UsageError(f"trials with the schedule {self.name!r}", fix="Leave them out, or take schedule auto.")
        if self.trials is not None and self.trials < 1:
            raise UsageError(f"trials of {self.trials} epochs", fix="Give a positive number of epochs.")

    def shares(self, target: float) -> tuple[float, ...]:
        """Shares of the original that are gone after each step; the last is ``target``."""
        return cumulative(self.name, target, **self.settings)

    def for_plan(self) -> dict[str, str | int | float]:
        """Name and settings as a plan notes them; nothing where all goes at once."""
        if self.name == "one-shot":
            return {}
        noted = {name: _plain(value) for name, value in self.settings.items() if value is not None}
        return {"schedule": self.name, **noted}

    def patient(self, wish: Finetuning | None) -> Finetuning | None:
        """The training with little patience in the tail of a hybrid schedule, as in the paper."""
        function: Any = None if wish is None else wish.function
        patience = getattr(function, "patience", None)
        own = getattr(function, "tail_patience", None)
        if wish is None or self.name != "hybrid" or patience is None or own is not None or not is_dataclass(function):
            return wish
        return with_settings(wish, tail_patience=max(1, patience // TAIL_PATIENCE))


def with_settings(wish: Finetuning, **settings: Any) -> Finetuning:
    """Training with other settings of its ``Trainer``."""
    function: Any = wish.function
    changed: Any = replace(function, **settings)
    return replace(wish, function=changed)


def as_scheduling(schedule: str | Scheduling, steps: int | None) -> Scheduling:
    """A name with a number of steps, or all of it.

    Raises:
        UsageError: unknown, or steps given twice.
    """
    found = schedule if isinstance(schedule, Scheduling) else Scheduling(schedule)
    if steps is None:
        return found
    if "steps" in found.settings:
        raise UsageError("the number of steps is given twice")
    return replace(found, settings={**found.settings, "steps": steps})


def _plain(value: Any) -> str | int | float:
    if isinstance(value, list | tuple):
        return ", ".join(f"{share:g}" for share in value)
    found: str | int | float = value
    return found
