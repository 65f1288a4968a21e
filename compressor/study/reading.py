"""Recipes from files, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from compressor.errors import UsageError
from compressor.extras import require
from compressor.study.grid import check
from compressor.study.recipe import Recipe


def read_recipe(path: Path) -> Recipe:
    """A recipe from a .yaml, .yml or .json file.

    Raises:
        UsageError: unreadable, an unknown key, or a value that makes no sense; says where.
        EnvironmentProblem: a YAML file, and PyYAML is not installed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from error
    return parse_recipe(_parsed(text, path), str(path))


def parse_recipe(found: Any, where: str) -> Recipe:
    """A recipe from what a file holds, checked as far as that goes without opening a model."""
    if not isinstance(found, dict):
        raise UsageError("is no recipe", where=where, fix="Give keys and values: name, models, data and so on.")
    try:
        recipe = Recipe.model_validate(found)
    except ValidationError as error:
        raise UsageError("; ".join(_complaint(entry) for entry in error.errors()[:3]), where=where) from error
    check(recipe, where)
    return recipe


def _complaint(entry: Any) -> str:
    place = ".".join(str(part) for part in entry["loc"])
    message = str(entry["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _parsed(text: str, path: Path) -> Any:
    if path.suffix == ".json":
        try:
            return json.loads(text)
        except ValueError as error:
            raise UsageError(f"is no JSON: {error}", where=str(path)) from error
    require("yaml", "study", "a recipe in YAML")
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"is no YAML: {' '.join(str(error).split())}", where=str(path)) from error
