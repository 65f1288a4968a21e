"""The trials of a study: every combination that its recipe allows."""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from typing import Any

from compressor.errors import CompressorError, UsageError
from compressor.passes.schedule import cumulative
from compressor.passes.scores import CRITERIA
from compressor.passes.sparsity import WEIGHT_CRITERIA, Pattern
from compressor.study.recipe import Recipe

STRUCTURED, UNSTRUCTURED = "structured", "unstructured"
_SAME = 1e-9


@dataclass(frozen=True)
class Trial:
    """One compression of one model.

    Attributes:
        pattern: "structured", "unstructured" or "N:M".
        ratio: share to remove.
    """

    model: str
    pattern: str
    criterion: str
    regime: str
    ratio: float
    seed: int

    @property
    def key(self) -> str:
        """Its name in the study's storage."""
        return "/".join(str(value) for value in asdict(self).values())

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


def trials_of(recipe: Recipe) -> list[Trial]:
    """All of them; those of one seed come together, so that a study cut short has whole repetitions."""
    pairs = [(pattern, name) for pattern, names in recipe.criteria.items() for name in names]
    grid = itertools.product(recipe.seeds, recipe.models, pairs, recipe.ratios, recipe.regimes)
    trials = [Trial(model, *pair, regime, ratio, seed) for seed, model, pair, ratio, regime in grid]
    return [trial for trial in trials if _possible(recipe, trial)]


def shares_of(recipe: Recipe, trial: Trial) -> tuple[float, ...]:
    """Cumulative shares removed after each step of a trial."""
    regime = recipe.regimes[trial.regime]
    return cumulative(regime.schedule or trial.regime, trial.ratio, **regime.settings(trial.ratio))


def check(recipe: Recipe, where: str) -> None:
    """Names, schedules and budgets that fit together.

    Raises:
        UsageError: they do not.
    """
    for pattern, names in recipe.criteria.items():
        _check_pattern(recipe, pattern, names, where)
    for name, ratio in itertools.product(recipe.regimes, recipe.ratios):
        place = f"{where}, regime {name!r}"
        try:
            shares = shares_of(recipe, Trial("", STRUCTURED, "", name, ratio, 0))
        except CompressorError as error:
            raise UsageError(error.what, where=place, fix=error.fix) from error
        if recipe.budget.epochs is not None and recipe.budget.epochs < len(shares):
            raise UsageError(
                f"{len(shares)} steps share {recipe.budget.epochs} epochs", where=place, fix="Give one for each step."
            )
    for key, values in (("ratios", recipe.ratios), ("seeds", recipe.seeds)):
        if len(set(values)) < len(values):
            raise UsageError(f"{key} name a value twice", where=where)
    if not trials_of(recipe):
        raise UsageError("the recipe has no trial", where=where)


def _check_pattern(recipe: Recipe, pattern: str, names: list[str], where: str) -> None:
    if not names:
        raise UsageError(f"{pattern} has no criterion", where=where)
    if len(set(names)) < len(names):
        raise UsageError(f"{pattern} names a criterion twice", where=where)
    for name in names:
        (CRITERIA if pattern == STRUCTURED else WEIGHT_CRITERIA).get(name)
    if pattern not in (STRUCTURED, UNSTRUCTURED):
        try:
            share = Pattern.of(pattern, None).share
        except UsageError as error:
            fix = "Known: structured, unstructured, or N:M such as 2:4."
            raise UsageError(f"unknown pattern {pattern!r}", where=where, fix=fix) from error
        if not any(_possible(recipe, trial) for trial in _of_pattern(recipe, pattern)):
            fix = f"Add the ratio {share:g} and a regime of one step, such as one-shot."
            raise UsageError(f"{pattern} takes {share:g} of the weights in one step", where=where, fix=fix)


def _of_pattern(recipe: Recipe, pattern: str) -> list[Trial]:
    return [Trial("", pattern, "", regime, ratio, 0) for regime in recipe.regimes for ratio in recipe.ratios]


def _possible(recipe: Recipe, trial: Trial) -> bool:
    """N:M takes its own share, at once."""
    if trial.pattern in (STRUCTURED, UNSTRUCTURED):
        return True
    fits = abs(Pattern.of(trial.pattern, None).share - trial.ratio) < _SAME
    return fits and len(shares_of(recipe, trial)) == 1
