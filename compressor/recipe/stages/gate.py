"""The stage ``gate``: may the result be released? The policy stands in the recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field, create_model

from compressor.errors import EXIT_ENVIRONMENT, EXIT_FAILED, EXIT_INCONCLUSIVE
from compressor.gate.check import CHECKS
from compressor.gate.policy import Policy, parse_policy, policy_model
from compressor.recipe.common import RecipeFile
from compressor.recipe.stage import STAGES, Flow, Outcome, Stage, Work
from compressor.settings import Part

GATE, REPORT = "gate", "gate.json"
_SOURCES = ("function", "inputs")  # settings of checks that name files of the user's

Gate: type[Part] = create_model(
    "Gate",
    __base__=policy_model(),
    __doc__=f"""A policy, as ``compressor gate --policy`` takes it: one or more of its checks.

    Attributes:
        version: of the policy's format.
        {", ".join(CHECKS.names())}: the checks; `compressor gate --schema` prints their settings.
        baseline: an ONNX file, or the stored result of an earlier gate (.json); by default the original model.
    """,
    baseline=(str | None, Field(default=None, min_length=1)),
)


@STAGES.register(GATE)
class GateStage(Stage):
    """A failure ends the run with exit code 1, what cannot be known with 4; the files are shown in either case."""

    place, settings, measures, publishes = 100, Gate, True, (REPORT,)
    exit_codes = (EXIT_FAILED, EXIT_ENVIRONMENT, EXIT_INCONCLUSIVE)

    def check(self, recipe: RecipeFile) -> None:
        """See Stage."""
        policy_of(recipe)

    def sources(self, recipe: RecipeFile) -> list[str]:
        """See Stage."""
        baseline = _baseline(recipe)
        settings = [part.model_dump() for part in policy_of(recipe).checks.values()]
        named = [part.get(key) for part in settings for key in _SOURCES]
        return [*([] if baseline is None else [baseline]), *(one for one in named if isinstance(one, str))]

    def reads(self, recipe: RecipeFile, flow: Flow) -> tuple[str, ...]:
        """See Stage."""
        return (flow.original, flow.model)

    def run(self, work: Work) -> Outcome:
        """See Stage."""
        from compressor.gate.run import run_gate

        named = _baseline(work.recipe)
        baseline = work.files[work.flow.original] if named is None else Path(work.recipe.placed(named))
        found = run_gate(baseline, work.model, policy_of(work.recipe), seed=work.recipe.seed, progress=work.progress)
        document = found.to_json()
        (work.folder / REPORT).write_text(json.dumps(document, indent=1, allow_nan=False), encoding="utf-8")
        others = [one for one in found.findings if one.status != "pass"]
        said = f"{found.status}: {len(found.findings) - len(others)} of {len(found.findings)} findings pass"
        lines = [f"{one.check}, {one.rule}: {one.status}: {one.reason}" for one in others]
        # What cannot be known now may be known at the next run.
        keep = found.exit_code in (0, EXIT_FAILED)
        return Outcome(found.to_json(samples=False), [said, *lines, *found.warnings], found.exit_code, keep)


def policy_of(recipe: RecipeFile) -> Policy:
    """The recipe's policy; relative paths are the recipe's."""
    block = recipe.block(GATE)
    found: dict[str, Any] = {} if block is None else block.model_dump(exclude_none=True, exclude={"baseline"})
    return parse_policy(found, f"{recipe.path}, {GATE}", recipe.folder.resolve())


def _baseline(recipe: RecipeFile) -> str | None:
    found = getattr(recipe.block(GATE), "baseline", None)
    return found if isinstance(found, str) else None
