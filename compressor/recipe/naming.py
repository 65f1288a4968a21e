"""Names of stages and passes that a user gives: known, part of the recipe, or refused with the nearest."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from compressor.errors import UsageError
from compressor.recipe.common import RecipeFile
from compressor.recipe.stage import stages_in_order


def check_names(recipe: RecipeFile, stop_after: str | None, dump_after: Sequence[str]) -> None:
    """Refuse stages (and, to dump after, passes) that the recipe does not have.

    Raises:
        UsageError: names the nearest that it has.
    """
    active = [(name, stage) for name, stage in stages_in_order() if stage.active(recipe, name)]
    stages = [name for name, _ in active]
    passes = [one for _, stage in active for one in stage.passes]
    asked = [("--stop-after", name, stages) for name in [stop_after] if name is not None]
    asked += [("--dump-after", name, stages + passes) for name in dump_after]
    for option, name, known in asked:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            fix = f"{hint}Known: {', '.join(known)}."
            raise UsageError(f"{option} {name!r} is no part of this recipe", where=str(recipe.path), fix=fix)
