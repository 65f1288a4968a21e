"""The recipe's training: its settings, and what they add up to; for the stages that train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from compressor.errors import UsageError
from compressor.recipe.common import RecipeFile
from compressor.settings import Part
from compressor.training_options import TrainingOptions

if TYPE_CHECKING:
    from compressor.finetuning import Finetuning

FINETUNE, RECOVER = "finetune", "recover"


class Finetune(Part):
    """Training after pruning; see ``compressor finetune --help``. Needs data, or an own function.

    Attributes:
        data: another than that of all stages.
        finetune: own training, function(module, context), as path.py:function; it replaces the settings below.
        epochs: how often the data is gone through; 3 by default.
        minutes: budget; alone, it sets the end. Such runs are not repeatable bit for bit.
        batch_size: samples a step; 128 by default.
        optimizer: sgd by default.
        lr: peak learning rate of the one-cycle, or the constant rate with patience.
        original_lr: the original's learning rate: go on at a constant tenth.
        clip: largest norm of a gradient.
        patience: stop after so many epochs without improvement.
        tail_patience: the same from a schedule's second step on.
        monitor: what is best: validation loss or accuracy.
        distill: learn from the original's outputs too.
        distill_share: another share of the loss than half.
        distill_temperature: by which both outputs are softened to be compared; 4 by default.
        distill_features: weight of the distance of inner tensors to the original's.
        validation: share of the data set aside to stop by; 0.1 by default.
        device: as PyTorch names it.
        precision: what steps compute in: float32, bfloat16, or auto: float16 on CUDA where that is safe.
        keep_zeros: weights that are exactly zero stay so.
    """

    data: str | None = Field(default=None, min_length=1)
    finetune: str | None = Field(default=None, min_length=1)
    epochs: int | None = Field(default=None, gt=0, le=1_000_000)
    minutes: float | None = Field(default=None, gt=0)
    batch_size: int | None = Field(default=None, gt=0, le=1 << 24)
    optimizer: Literal["sgd", "adamw"] | None = None
    lr: float | None = Field(default=None, gt=0)
    original_lr: float | None = Field(default=None, gt=0)
    clip: float | None = Field(default=None, gt=0)
    patience: int | None = Field(default=None, gt=0)
    tail_patience: int | None = Field(default=None, gt=0)
    monitor: Literal["loss", "accuracy"] | None = None
    distill: bool = False
    distill_share: float | None = Field(default=None, gt=0, le=1)
    distill_temperature: float | None = Field(default=None, gt=0)
    distill_features: float | None = Field(default=None, gt=0)
    validation: float | None = Field(default=None, gt=0, lt=1)
    device: str | None = Field(default=None, min_length=1)
    precision: Literal["auto", "float32", "bfloat16"] | None = None
    keep_zeros: bool = False


class Recover(Part):
    """Weights that make up for what was removed, without training; without data on made-up inputs, which is weaker.

    Attributes:
        data: another than that of all stages; no labels are needed.
    """

    data: str | None = Field(default=None, min_length=1)


def finetune_of(recipe: RecipeFile) -> Finetune | None:
    """The recipe's settings of training."""
    found = recipe.block(FINETUNE)
    return found if isinstance(found, Finetune) else None


def training_parameters(recipe: RecipeFile) -> dict[str, Any]:
    """What of the recipe training and recovery depend on."""
    blocks = {name: recipe.block(name) for name in (FINETUNE, RECOVER)}
    return {name: None if block is None else block.model_dump(mode="json") for name, block in blocks.items()}


def training_sources(recipe: RecipeFile) -> list[str]:
    """Data and functions of the recipe's training."""
    found = finetune_of(recipe)
    named = [] if found is None else [found.data or recipe.values.data, found.finetune]
    return [one for one in named if one is not None]


def recovery_data(recipe: RecipeFile) -> str | None:
    """What recovery looks at, as the recipe names it."""
    found = recipe.block(RECOVER)
    own = found.data if isinstance(found, Recover) else None
    return own or recipe.values.data


def check_training(recipe: RecipeFile) -> None:
    """Refuse settings that would have no effect, or nothing to train with.

    Raises:
        UsageError: what, and why.
    """
    found = finetune_of(recipe)
    if found is None:
        return
    options = _options(recipe, found, Path())
    if options.data is None and options.finetune is None:
        fix = "Give data, for all stages or in the block, or a function of your own."
        raise UsageError("there is nothing to train with", fix=fix)
    options.check()


def wish_of(recipe: RecipeFile, checkpoints: Path) -> Finetuning | None:
    """How to train, with checkpoints in that folder; None where nothing is trained."""
    found = finetune_of(recipe)
    if found is None:
        return None
    named = found.finetune
    options = _options(recipe, found, checkpoints)
    wish = replace(options, finetune=None if named is None else recipe.placed(named)).wish(checkpoints)
    return None if wish is None else replace(wish, data=recipe.data(found.data))


def _options(recipe: RecipeFile, found: Finetune, checkpoints: Path) -> TrainingOptions:
    given = found.model_dump(exclude={"data"})
    data = found.data or recipe.values.data
    pixels = None if data is None else recipe.values.pixels
    return TrainingOptions(data=data, pixels=pixels, checkpoints=checkpoints, flags=False, **given)
