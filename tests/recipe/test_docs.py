"""docs/recipe.md says what is so: stages, files, the example. Its code is run by tests/docs."""

from __future__ import annotations

import re

from compressor.recipe.planning import plan_run
from compressor.recipe.schema import read_recipe
from compressor.recipe.stage import STAGES, stages_in_order
from tests.house.source_tree import ROOT

PAGE = (ROOT / "docs" / "recipe.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "docs" / "recipes" / "digits.yaml"


def test_every_stage_is_in_the_table_in_its_order() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert listed == [name for name, _ in stages_in_order()]


def test_every_pass_and_published_file_is_named() -> None:
    named = {f"`{name}`" for _, kind in STAGES.items() for name in (*kind.passes, *kind.publishes)}
    assert {name for name in named if name not in PAGE} == set()


def test_the_example_is_a_recipe() -> None:
    stages, _ = plan_run(read_recipe(EXAMPLE))
    assert [one.name for one in stages] == [name for name, _ in stages_in_order() if name in EXAMPLE_STAGES]


EXAMPLE_STAGES = {"clean", "analyse", "prune", "recover", "finetune", "fold", "verify", "bench", "gate"}
