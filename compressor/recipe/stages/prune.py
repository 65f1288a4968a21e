"""The stage ``prune``: which channels go, in one cut or in the steps of a schedule; proven."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from compressor.backends.base import get_backend
from compressor.passes.scores import CRITERIA
from compressor.passes.selection import Options
from compressor.recipe.common import RecipeFile
from compressor.recipe.stage import MODEL, STAGES, Flow, ModelStage, Outcome, Work, block_of
from compressor.recipe.training import RECOVER, training_parameters, training_sources, wish_of
from compressor.scheduling import AUTO, Scheduling
from compressor.settings import Part
from compressor.target_options import COUNTED, MEASURED, PLACE, TargetOptions
from compressor.units import count

if TYPE_CHECKING:
    from compressor.results import Compression

PRUNE, PLAN = "prune", "plan.json"
ONE_SHOT = "one-shot"
_SETTINGS = {"steps": "steps", "rate": "rate", "first": "first", "tail": "of", "base": "base", "shares": "shares"}
_OPTIONS = ("scope", "floor", "round_to", "allow_width", "align_groups", "combine", "normalise", "exclude",
            "drop_branches")  # fmt: skip


class Prune(Part):
    """Structured pruning; see ``compressor compress --help``.

    Attributes:
        macs, params, channels, size, memory: the share to keep, size of the weights' bytes, memory of the peak of
            weights and live tensors. One of them, or a latency or energy, beside which size and memory may stand.
        latency, latency_ms, energy: share of the original's time, milliseconds, or share of its energy; measured on
            this machine.
        backend, threads, batch, dim, table, table_minutes: of what is measured: runtime, sizes of inputs (of memory,
            too), and a table of times to take (`compressor table`) or how long to measure for one.
        criterion: from weights: l1, l2, fpgm, lamp, bn-scale, random; from data: activation, obs, taylor, taylor-group,
            fisher, fisher-sampled.
        scope, floor, round_to, allow_width, align_groups, combine, normalise: how channels are ordered and rounded.
        exclude: parameters or nodes whose channels stay, or patterns of their names.
        drop_branches: residual branches may go whole; a constant stands in for each.
        schedule: one-shot, constant, geometric, hybrid, cubic, logarithmic, manual or auto.
        steps, rate, first, tail, base, shares, trials: its settings.
        verify: prove that pruned equals masked.
    """

    macs: float | None = Field(default=None, gt=0, lt=1)
    params: float | None = Field(default=None, gt=0, lt=1)
    channels: float | None = Field(default=None, gt=0, lt=1)
    size: float | None = Field(default=None, gt=0, lt=1)
    memory: float | None = Field(default=None, gt=0, lt=1)
    latency: float | None = Field(default=None, gt=0, lt=1)
    latency_ms: float | None = Field(default=None, gt=0)
    energy: float | None = Field(default=None, gt=0, lt=1)
    backend: str | None = Field(default=None, min_length=1)
    threads: int | None = Field(default=None, gt=0, le=4096)
    batch: int | None = Field(default=None, gt=0)
    dim: dict[str, int] | None = None
    table: str | None = Field(default=None, min_length=1)
    table_minutes: float | None = Field(default=None, ge=0)
    criterion: str = "l1"
    scope: Literal["per-space", "global", "global-floor"] = "per-space"
    floor: float = Field(default=0.1, ge=0, lt=1)
    round_to: int = Field(default=1, gt=0, le=1 << 20)
    allow_width: bool = False
    align_groups: bool = True
    combine: Literal["sum", "mean", "max"] = "sum"
    normalise: bool | None = None
    exclude: tuple[str, ...] = ()
    drop_branches: bool = False
    schedule: str = ONE_SHOT
    steps: int | None = None
    rate: float | None = None
    first: float | None = None
    tail: str | None = None
    base: float | None = None
    shares: list[float] | None = None
    trials: int | None = None
    verify: bool = True

    @model_validator(mode="before")
    @classmethod
    def _one_result(cls, found: Any) -> Any:
        if isinstance(found, dict) and "pareto" in found:
            raise ValueError("a recipe ends in one model; several latencies at once are `compressor compress --pareto`")
        return found

    def target(self, recipe: RecipeFile) -> TargetOptions:
        """What is asked for, with the table's path as seen from here."""
        given = self.model_dump(include={*COUNTED, *MEASURED, *PLACE})
        table = None if self.table is None else Path(recipe.placed(self.table))
        return TargetOptions(**{**given, "table": table, "flags": False})

    @property
    def measured(self) -> bool:
        """Whether the target is a time or an energy."""
        return any(getattr(self, name) is not None for name in MEASURED)

    def scheduling(self) -> Scheduling:
        """Schedule and settings; UsageError where they do not fit."""
        given = {own: getattr(self, name) for name, own in _SETTINGS.items() if getattr(self, name) is not None}
        return Scheduling(self.schedule, given, self.trials)

    def several(self) -> bool:
        """Whether there is more than one step, with recovery and training after each."""
        asked = self.scheduling()
        if asked.name == AUTO or self.latency_ms is not None:  # which share milliseconds are is known later
            return asked.name != ONE_SHOT
        keep = next(share for name in (*MEASURED, *COUNTED) if (share := getattr(self, name)) is not None)
        return len(asked.shares(1 - keep)) > 1


def in_steps(recipe: RecipeFile) -> bool:
    """Whether recovery and training belong to the steps of the schedule, and are no stages of their own."""
    found = recipe.block(PRUNE)
    return isinstance(found, Prune) and found.several()


@STAGES.register(PRUNE)
class PruneStage(ModelStage):
    """Cuts only, where all goes at once: recovery and training are stages of their own then."""

    place, settings, uses, publishes = 40, Prune, ("data", "pixels", "samples"), (PLAN,)

    def measured(self, recipe: RecipeFile) -> bool:
        """See Stage."""
        return block_of(recipe, PRUNE, Prune).measured

    def check(self, recipe: RecipeFile) -> None:
        """See Stage."""
        wish = block_of(recipe, PRUNE, Prune)
        wish.target(recipe).check_one()
        if wish.backend is not None:
            get_backend(wish.backend)
        CRITERIA.get(wish.criterion)
        wish.several()
        Options(**wish.model_dump(include=set(_OPTIONS)))

    def parameters(self, recipe: RecipeFile, name: str) -> dict[str, Any]:
        """See Stage."""
        own = {**super().parameters(recipe, name), "keep_dropout": recipe.has("finetune")}
        return {**own, "steps": training_parameters(recipe)} if in_steps(recipe) else own

    def sources(self, recipe: RecipeFile) -> list[str]:
        """See Stage."""
        named = [recipe.values.data, block_of(recipe, PRUNE, Prune).table]
        own = [one for one in named if one is not None]
        return list(dict.fromkeys([*own, *(training_sources(recipe) if in_steps(recipe) else [])]))

    def reads(self, recipe: RecipeFile, flow: Flow) -> tuple[str, ...]:
        """See Stage."""
        return (flow.model,)

    def run(self, work: Work) -> Outcome:
        """See Stage."""
        from compressor.pipeline import compress

        recipe, wish = work.recipe, block_of(work.recipe, PRUNE, Prune)
        several = in_steps(recipe)
        result = compress(
            work.model, work.folder / MODEL, plan_path=work.folder / PLAN,
            **wish.target(recipe).targets(), criterion=wish.criterion,
            options=Options(**wish.model_dump(include=set(_OPTIONS))), schedule=wish.scheduling(), seed=recipe.seed,
            verify=wish.verify, data=recipe.data(), samples=recipe.values.samples, pixels=recipe.values.pixels,
            recover=several and recipe.has(RECOVER), finetune=wish_of(recipe, work.scratch) if several else None,
            keep_dropout=recipe.has("finetune") and not several, progress=work.progress,
        )  # fmt: skip
        return Outcome(_record(result), _lines(result))


def _record(result: Compression) -> dict[str, Any]:
    """Without places, which are of a folder that is gone by then."""
    return {key: value for key, value in result.to_json().items() if key not in ("model", "output", "plan")}


def _lines(result: Compression) -> list[str]:
    before, after = result.before, result.after
    cut = (
        f"MACs {count(before.macs)} -> {count(after.macs)}, parameters {count(before.params)} -> {count(after.params)}"
    )
    proof = result.verification
    proven = "not verified" if proof is None else f"proven, max error {proof['max_error']:.1g} of the output"
    steps = f"{len(result.steps)} steps; " if result.steps else ""
    return [f"{steps}{cut}; {proven}", *_measured(result.latency), *result.advice]


def _measured(found: Mapping[str, Any] | None) -> list[str]:
    """What came of a latency or energy."""
    if found is None:
        return []
    what, how = "energy" if found["of"] == "energy" else "latency", "measured" if found["measured"] else "predicted"
    return [f"{what}: {found['ratio']:.3f} of the original's as {how}, asked for {found['goal_ratio']:.3f}"]
