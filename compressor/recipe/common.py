"""What every recipe has beside the blocks of its stages, and a recipe as it was read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from compressor.settings import Part
from compressor.study.paths import model_path, source_path, training_source


class Common(Part):
    """Settings that several stages share; the blocks of the stages come beside them. Paths are relative to the recipe.

    Attributes:
        version: of the recipe's format.
        model: an ONNX file, "demo" for the embedded digits network, or, with a block ``export``, the function that
            builds a PyTorch module: path.py:function or package.module:function.
        data: for criteria, recovery and training: path.py:function, an .npz, a folder of pictures, or "demo".
        pixels: how pictures of a folder become numbers: unit, symmetric, imagenet or bytes.
        samples: of the data, at most, that criteria and recovery look at.
        eval: own figures of the original and the final model: path.py:function, called with the path of an ONNX file.
        inputs: further files or folders that results depend on, such as those that functions read.
        seed: of everything that is drawn at random.
    """

    version: Literal[1] = 1
    model: str = Field(min_length=1)
    data: str | None = Field(default=None, min_length=1)
    pixels: Literal["unit", "symmetric", "imagenet", "bytes"] | None = None
    samples: int = Field(default=1024, gt=0, le=1 << 40)
    eval: str | None = Field(default=None, min_length=1)
    inputs: list[str] = Field(default_factory=list)
    seed: int = Field(default=0, ge=0, lt=1 << 32)

    @model_validator(mode="before")
    @classmethod
    def _a_name_alone_is_a_block(cls, found: Any) -> Any:
        """``fold:`` with nothing after it asks for the stage with its defaults."""
        if not isinstance(found, dict):
            return found
        blocks = cls.model_fields.keys() - Common.model_fields.keys()
        return {key: {} if value is None and key in blocks else value for key, value in found.items()}


@dataclass(frozen=True)
class RecipeFile:
    """A recipe as it was read.

    Attributes:
        path: its file.
        values: what it says; an instance of the model that ``schema.recipe_model`` makes.
    """

    path: Path
    values: Common

    @property
    def folder(self) -> Path:
        """What its paths are relative to."""
        return self.path.parent

    @property
    def seed(self) -> int:
        """Of everything that is drawn at random."""
        return self.values.seed

    def block(self, name: str) -> Part | None:
        """A stage's settings; None where it is not asked for."""
        found = getattr(self.values, name)
        return found if isinstance(found, Part) else None

    def has(self, name: str) -> bool:
        """Is a stage of that name asked for?"""
        return self.block(name) is not None

    def model(self) -> Path:
        """Path of the model's file."""
        return Path(model_path(self.values.model, self.folder))

    def data(self, own: str | None = None) -> Any:
        """What criteria, recovery and training take as data: a stage's ``own``, or that of all."""
        named = own or self.values.data
        return None if named is None else training_source(named, self.folder)

    def placed(self, named: str) -> str:
        """A path, or path.py:function, from where the recipe lies."""
        return source_path(named, self.folder)
