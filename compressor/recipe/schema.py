"""The recipe's format, made of the registered stages' blocks, and recipes read and checked."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field, create_model

from compressor.errors import CompressorError, UsageError
from compressor.recipe.common import Common, RecipeFile
from compressor.recipe.stage import stages_in_order
from compressor.settings import read_settings, validated


@cache
def recipe_model() -> type[Common]:
    """The pydantic model of a recipe: common settings, and an optional block for each stage."""
    blocks: dict[str, Any] = {}
    for name, stage in stages_in_order():
        if stage.always:
            blocks[name] = (stage.settings, Field(default_factory=stage.settings))
        else:
            blocks[name] = (stage.settings | None, None)
    made: type[Common] = create_model("Recipe", __base__=Common, __doc__="A compression, stage by stage.", **blocks)
    return made


def json_schema() -> str:
    """The JSON Schema of recipes, as docs/recipe.schema.json holds it."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **recipe_model().model_json_schema()}
    return json.dumps(schema, indent=2) + "\n"


def read_recipe(path: Path) -> RecipeFile:
    """A recipe from a YAML or .json file, checked as far as that goes without opening a model.

    Raises:
        UsageError: unreadable, an unknown key (names the nearest), or settings that make no sense.
    """
    return parse_recipe(read_settings(path, "recipe"), path)


def parse_recipe(found: Any, path: Path) -> RecipeFile:
    """A recipe from what a file at ``path`` holds."""
    recipe = RecipeFile(path, validated(recipe_model(), found, str(path)))
    for name, stage in stages_in_order():
        if not recipe.has(name):
            continue
        try:
            stage.check(recipe)
        except CompressorError as error:
            place = f"{path}, {name}" + (f", {error.where}" if error.where else "")
            raise UsageError(error.what, where=place, fix=error.fix) from error
    return recipe
