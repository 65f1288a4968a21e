"""The recipe of a study: one YAML or JSON file that says everything a result depends on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import Field, model_validator

from compressor.settings import Part
from compressor.study.paths import file_digest, model_path, source_digest

MetricName: TypeAlias = Literal["accuracy", "loss", "perplexity"]
HIGHER_IS_BETTER: dict[MetricName, bool] = {"accuracy": True, "loss": False, "perplexity": False}


class Data(Part):
    """What is trained on, and what is set aside to stop by.

    ``source``: as ``--data`` has it, or "demo" for the embedded digits.
    """

    source: str
    validation: float = Field(default=0.1, gt=0, lt=1)
    pixels: str = "unit"


class Regime(Part):
    """A schedule with its settings and the patience of its steps.

    ``schedule`` is by default what the regime is called. ``first_share`` is the hybrid's first cut as a share of the
    ratio; ``first`` is one of the whole. ``patience`` and ``tail_patience`` (from the second step on) replace those
    of the trainer.
    """

    schedule: str | None = None
    steps: int | None = None
    rate: float | None = None
    first: float | None = None
    first_share: float | None = Field(default=None, gt=0, lt=1)
    of: str | None = None
    base: float | None = None
    shares: list[float] | None = None
    patience: int | None = Field(default=None, gt=0)
    tail_patience: int | None = Field(default=None, gt=0)

    def settings(self, ratio: float) -> dict[str, Any]:
        """What the schedule is given to remove ``ratio`` in the end."""
        names = ("steps", "rate", "first", "of", "base", "shares")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return given if self.first_share is None else {**given, "first": self.first_share * ratio}


class Budget(Part):
    """The same for every trial: epochs or seconds of fine-tuning over all its steps.

    ``split`` says what a step may take of it: "relative", in proportion to -log(kept after / kept before), which is the
    same for each step of a geometric schedule; or "even". What patience leaves over goes to the later steps.
    """

    epochs: int | None = Field(default=None, gt=0)
    seconds: float | None = Field(default=None, gt=0)
    split: Literal["relative", "even"] = "relative"

    @model_validator(mode="after")
    def _one_of_them(self) -> Budget:
        if (self.epochs is None) == (self.seconds is None):
            raise ValueError("give epochs or seconds, one of them")
        return self


class Training(Part):
    """Settings of the trainer, as ``compressor.Trainer`` has them."""

    batch_size: int = Field(default=128, gt=0)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float | None = Field(default=None, gt=0)
    schedule: Literal["one-cycle", "constant"] = "one-cycle"
    weight_decay: float | None = Field(default=None, ge=0)
    clip_norm: float | None = Field(default=None, gt=0)
    patience: int | None = Field(default=None, gt=0)
    tail_patience: int | None = Field(default=None, gt=0)
    min_delta: float = Field(default=0.0, ge=0)
    monitor: Literal["loss", "accuracy"] = "loss"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: str | None = None


class Selection(Part):
    """How channels are ordered, as ``compressor.Options`` has them; ``sparsity_scope`` is for single weights."""

    scope: Literal["per-space", "global", "global-floor"] = "per-space"
    floor: float = Field(default=0.1, ge=0, lt=1)
    round_to: int = Field(default=1, gt=0)
    allow_width: bool = False
    combine: Literal["sum", "mean", "max"] = "sum"
    normalise: bool | None = None
    exclude: tuple[str, ...] = ()
    drop_branches: bool = False
    sparsity_scope: Literal["tensor", "global"] = "tensor"


class Recipe(Part):
    """A study.

    Attributes:
        name: of the study in its storage.
        models: name -> path of an ONNX file, or "demo" for the embedded digits network.
        data, test: to train on, and to measure each finished trial on, once.
        metric: of the test data; perplexity is exp(mean cross-entropy).
        of: what the ratios count.
        ratios: shares to remove.
        regimes: name -> schedule.
        criteria: pattern ("structured", "unstructured" or "N:M") -> names.
        seeds: each is a repetition of every trial.
        threads: of a worker process.
        recover: channels: recovery without training after each cut, before the training.
        verify: prove each cut.
    """

    name: str = Field(min_length=1)
    models: dict[str, str] = Field(min_length=1)
    data: Data
    test: str
    metric: MetricName = "accuracy"
    of: Literal["params", "macs", "channels"] = "params"
    ratios: list[float] = Field(min_length=1)
    regimes: dict[str, Regime] = Field(min_length=1)
    criteria: dict[str, list[str]] = Field(min_length=1)
    seeds: list[int] = Field(default=[0, 1, 2], min_length=1)
    budget: Budget
    trainer: Training = Training()
    selection: Selection = Selection()
    threads: int = Field(default=1, gt=0)
    recover: bool = False
    verify: bool = True

    @model_validator(mode="before")
    @classmethod
    def _criteria_alone_are_structured(cls, found: Any) -> Any:
        if isinstance(found, dict) and isinstance(found.get("criteria"), list):
            return {**found, "criteria": {"structured": found["criteria"]}}
        return found

    @property
    def higher_is_better(self) -> bool:
        """Which way the metric goes."""
        return HIGHER_IS_BETTER[self.metric]

    def digest(self, folder: Path) -> str:
        """Of all that results depend on, the files that it names included; paths as written."""
        named = {name: file_digest(Path(model_path(path, folder))) for name, path in self.models.items()}
        sources = {source: source_digest(source, folder) for source in (self.data.source, self.test)}
        whole = {"recipe": self.model_dump(mode="json"), "models": named, "sources": sources}
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
