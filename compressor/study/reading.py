"""Recipes from files, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from compressor.errors import UsageError
from compressor.settings import read_settings, validated
from compressor.study.grid import check
from compressor.study.recipe import Recipe


def read_recipe(path: Path) -> Recipe:
    """A recipe from a .yaml, .yml or .json file.

    Raises:
        UsageError: unreadable, an unknown key, or a value that makes no sense; says where.
    """
    return parse_recipe(read_settings(path, "recipe"), str(path))


def parse_recipe(found: Any, where: str) -> Recipe:
    """A recipe from what a file holds, checked as far as that goes without opening a model."""
    if not isinstance(found, dict):
        raise UsageError("is no recipe", where=where, fix="Give keys and values: name, models, data and so on.")
    recipe = validated(Recipe, found, where)
    check(recipe, where)
    return recipe
