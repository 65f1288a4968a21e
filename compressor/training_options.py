"""What the options of fine-tuning add up to, for the command line and for recipes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compressor.errors import UsageError

if TYPE_CHECKING:
    from compressor.finetuning import Finetuning


@dataclass(frozen=True)
class TrainingOptions:
    """The options as given; None or False where not."""

    data: str | None = None
    finetune: str | None = None
    epochs: int | None = None
    minutes: float | None = None
    batch_size: int | None = None
    optimizer: str | None = None
    lr: float | None = None
    original_lr: float | None = None
    clip: float | None = None
    patience: int | None = None
    monitor: str | None = None
    distill: bool = False
    distill_share: float | None = None
    distill_temperature: float | None = None
    distill_features: float | None = None
    validation: float | None = None
    pixels: str | None = None
    device: str | None = None
    precision: str | None = None
    keep_zeros: bool = False
    checkpoints: Path | None = None
    tail_patience: int | None = None
    flags: bool = True  # given on the command line, as --names

    def wish(self, output: Path, *, optional: bool = False) -> Finetuning | None:
        """What to train with; None where neither data nor a function was given.

        Where training is ``optional``, data alone is for criteria and recovery: another option asks for training.

        Raises:
            UsageError: an option would have no effect.
        """
        if optional and self.finetune is None and self.epochs == 0:
            others = [name for name in self._names() if name not in ("epochs", "pixels")]
            self._refuse(others, "with --epochs 0: nothing is trained")
            return None
        if optional and self.data is not None and not self._given(name for name in self._names() if name != "pixels"):
            return None
        if self.data is None and self.finetune is None:
            self._refuse(self._names(), "without --data or --finetune")
            return None
        self.check()
        from compressor.finetuning import Finetuning

        return Finetuning(
            function=self._function(),
            data=self.data,
            validation=0.1 if self.validation is None else self.validation,
            pixels=self.pixels or "unit",
            device=self.device,
            checkpoints=self.checkpoints or default_checkpoints(output),
            keep_zeros=self.keep_zeros,
        )

    def check(self) -> None:
        """Refuse options that would have no effect: what a function of the user's would not hear of, for example.

        Raises:
            UsageError: names them.
        """
        if self.finetune is None:
            if not self.distill and self.distill_share is None:
                self._refuse(["distill_temperature"], "without --distill or --distill-share")
            return
        of_data = () if self.data is None else ("validation", "pixels")
        own = ("data", "finetune", "device", "keep_zeros", "checkpoints", *of_data)
        others = [name for name in ("data", *self._names()) if name not in own]
        self._refuse(others, "with --finetune, whose function decides")

    def _names(self) -> list[str]:
        return [field.name for field in fields(self) if field.name not in ("data", "flags")]

    def _given(self, names: Iterable[str]) -> list[str]:
        found = {name: getattr(self, name) for name in names}
        return [name for name, value in found.items() if value is not None and value is not False]

    def _refuse(self, names: list[str], why: str) -> None:
        given = self._given(names)
        if given:
            listed = ", ".join(f"--{name.replace('_', '-')}" if self.flags else name for name in given)
            said = why if self.flags else why.replace("--", "").replace("distill-", "distill_")
            raise UsageError(f"{listed} would have no effect {said}", fix="Leave out the one or the other.")

    def _function(self) -> Any:
        if self.finetune is not None:
            from compressor.user_code import load_callable

            return load_callable(self.finetune)
        from compressor.extras import require_torch

        require_torch("fine-tuning")
        from compressor.training.objective import Mixture
        from compressor.training.trainer import Trainer

        share = 0.5 if self.distill and self.distill_share is None else self.distill_share
        seconds = None if self.minutes is None else 60 * self.minutes
        given: dict[str, Any] = {
            "seconds": seconds, "batch_size": self.batch_size, "optimizer": self.optimizer, "learning_rate": self.lr,
            "original_learning_rate": self.original_lr, "clip_norm": self.clip, "patience": self.patience,
            "tail_patience": self.tail_patience, "monitor": self.monitor, "epochs": self.epochs,
            "precision": self.precision,
        }  # fmt: skip
        given = {name: value for name, value in given.items() if value is not None}
        if seconds is not None and self.epochs is None:
            given["epochs"] = None
        mixed: dict[str, Any] = {
            "distill": share, "temperature": self.distill_temperature, "features": self.distill_features
        }  # fmt: skip
        mixture = Mixture(**{name: value for name, value in mixed.items() if value is not None})
        return Trainer(**given, mixture=mixture)


def default_checkpoints(output: Path) -> Path:
    """Beside the result."""
    return output.with_name(f"{output.name}.checkpoints")
