"""Recipes and the command line offer the same: what one has, the other has too, or it is said here why not."""

from __future__ import annotations

import typer

from compressor.cli_app import app
from compressor.recipe.common import Common
from compressor.recipe.stages.prune import Prune
from compressor.recipe.training import Finetune, Recover

# Options that recipes have under another name, or as blocks.
ELSEWHERE = {
    "latency_table": "prune.table",
    "no_align_groups": "prune.align_groups",
    "no_verify": "prune.verify",
    "evaluate": "eval",
    "recover": "the block recover",
}
# Options that make no sense in a recipe.
WITHOUT = {
    "output": "run --out",
    "plan": "the plan is always kept",
    "replay": "a recipe chooses; `run --locked` repeats it",
    "pareto": "a recipe ends in one model (docs/recipe.md)",
    "checkpoints": "they are kept with the unfinished stage",
    "as_json": "run --json",
}
# Settings that the command line has no need of.
RECIPE_ONLY = {
    "version": "of the format",
    "inputs": "what results depend on beside; nothing is kept between two commands",
    "verify": "--no-verify",
    "align_groups": "--no-align-groups",
    "table": "--table",
    "eval": "--eval",
}


def options_of(command: str) -> set[str]:
    found = typer.main.get_command(app)
    return {str(one.name) for one in found.commands[command].params} - {"help"}  # type: ignore[attr-defined]


def settings() -> set[str]:
    parts = (Common, Prune, Finetune, Recover)
    return {name for part in parts for name in part.model_fields}


def test_what_compress_takes_a_recipe_takes() -> None:
    missing = options_of("compress") - settings() - ELSEWHERE.keys() - WITHOUT.keys()
    assert missing == set()


def test_what_a_recipe_takes_compress_takes() -> None:
    assert settings() - options_of("compress") - RECIPE_ONLY.keys() == set()


def test_what_finetune_takes_a_recipe_takes() -> None:
    other = {"function": "finetune", "teacher": "the original teaches"}
    assert options_of("finetune") - settings() - ELSEWHERE.keys() - WITHOUT.keys() - other.keys() == set()
    assert set(Finetune.model_fields) - options_of("finetune") - {"finetune", "tail_patience"} == set()


def test_nothing_is_excused_that_is_gone() -> None:
    assert {*ELSEWHERE, *WITHOUT} <= options_of("compress")
    assert RECIPE_ONLY.keys() <= settings()
