"""A plan: which indices of which spaces go, and why. Pure JSON, bound to one graph by its digest.

However many steps a schedule took, all is told in the channels of the one graph that it started from: ``cuts`` is what
went altogether, ``steps`` which of that went when. So a plan of many steps is verified and replayed as one cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from compressor.atomic import write_bytes
from compressor.errors import PlanError
from compressor.passes.analysis import Analysis
from compressor.passes.branches import Branches
from compressor.passes.cost import NO_ATOMS
from compressor.passes.labels import Labels
from compressor.passes.slices import Scores

_MAX_BYTES = 256 << 20  # a plan of a billion-parameter model is far below


Index: TypeAlias = Annotated[int, Field(ge=0, lt=2**31)]  # what NumPy can hold is checked before NumPy sees it


class SpaceCut(BaseModel):
    """What goes from one space.

    Attributes:
        removed: indices of the space's channels.
        groups: for positions inside the groups of a convolution that differ from group to group: the
            removed positions of each group; ``removed`` then counts from the end of the aligned groups.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    size: int = Field(ge=1)
    removed: list[Index]
    groups: list[list[Index]] | None = None
    why: str
    parameters: list[str]


class PlanCounts(BaseModel):
    """Counts the plan was made with; see ``Cost``. Older plans lack the bytes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    params: int = Field(ge=0)
    macs: int = Field(ge=0)
    channels: int = Field(ge=0)
    weight_bytes: int | None = Field(default=None, ge=0)
    peak_bytes: int | None = Field(default=None, ge=0)


class PlanStep(BaseModel):
    """One step of a schedule.

    Attributes:
        share: of the original, that the schedule wanted gone after this step.
        after: counts after it.
        cuts: what this step took, beside what had gone before.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    share: float = Field(gt=0, lt=1)
    after: PlanCounts
    cuts: list[SpaceCut]


class Plan(BaseModel):
    """A removal that can be saved, read and replayed.

    Attributes:
        digest: of the graph it was made for; another graph is refused.
        made_with: criterion, target, options, seed and versions.
        before, after: counts without and with the removal.
        cuts: one entry per space that loses channels.
        steps: of the schedule, none where all went at once; together they are ``cuts``. Such a plan is of version 2.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["compressor-plan"] = "compressor-plan"
    version: Literal[1, 2] = 1
    digest: str
    made_with: dict[str, str | int | float | bool | list[str] | None]
    before: PlanCounts
    after: PlanCounts
    cuts: list[SpaceCut]
    steps: list[PlanStep] = Field(default_factory=list)

    @model_validator(mode="after")
    def _steps_make_the_cuts(self) -> Plan:
        if (self.version == 2) != bool(self.steps):
            raise ValueError("a plan of steps is of version 2, and only such a one")
        if self.steps:
            together = [_what_goes(cut) for cut in merged(step.cuts for step in self.steps)]
            if sorted(together) != sorted(map(_what_goes, self.cuts)):
                raise ValueError("its steps do not add up to its cuts")
        return self

    @property
    def share(self) -> float:
        """What the target asked to remove; 0 where none is named."""
        keep = self.made_with.get("keep")
        return 1.0 - keep if isinstance(keep, float) else 0.0

    def to_bytes(self) -> bytes:
        """The content of a plan's file."""
        left_out = None if self.steps else {"steps"}
        return self.model_dump_json(indent=1, exclude=left_out).encode() + b"\n"

    def save(self, path: Path) -> None:
        """Write atomically."""
        write_bytes(path, self.to_bytes())


def read_plan(path: Path) -> Plan:
    """Read and validate a plan.

    Raises:
        PlanError: missing, unreadable, not JSON, or not a plan.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise PlanError("the file is too large for a plan", where=str(path))
        return Plan.model_validate_json(path.read_bytes())
    except OSError as error:
        raise PlanError(f"the plan cannot be read: {error.strerror}", where=str(path), fix="Check the path.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise PlanError(
            f"not a plan: {place}: {first['msg']}", where=str(path), fix="Make one with `compressor compress --plan`."
        ) from error


def merged(steps: Iterable[Sequence[SpaceCut]]) -> list[SpaceCut]:
    """What goes altogether, one cut a space.

    Raises:
        ValueError: the cuts of one space do not go together.
    """
    by_space: dict[str, list[SpaceCut]] = {}
    for cuts in steps:
        for cut in cuts:
            by_space.setdefault(cut.name, []).append(cut)
    return [cuts[0] if len(cuts) == 1 else _joined(cuts) for cuts in by_space.values()]


def _joined(cuts: Sequence[SpaceCut]) -> SpaceCut:
    last = cuts[-1]
    if len({(cut.size, cut.groups is None, len(cut.groups or [])) for cut in cuts}) > 1:
        raise ValueError(f"its steps disagree about the channel space {last.name}")
    changes: dict[str, object] = {"why": f"in {len(cuts)} steps, in the last one the {last.why}"}
    if last.groups is None:
        changes["removed"] = sorted(index for cut in cuts for index in cut.removed)
    else:
        rows = zip(*(cut.groups or [] for cut in cuts), strict=True)
        changes["groups"] = [sorted(position for part in row for position in part) for row in rows]
        count = sum(len(cut.removed) for cut in cuts)
        changes["removed"] = list(range(last.size - count, last.size))
    return last.model_copy(update=changes)


def _what_goes(cut: SpaceCut) -> tuple[str, int, list[int], list[list[int]]]:
    return cut.name, cut.size, sorted(cut.removed), [sorted(row) for row in cut.groups or []]


def cuts_of(
    analysis: Analysis, atoms: Labels, scores: Scores, criterion: str, gone: Labels = NO_ATOMS
) -> Iterator[SpaceCut]:
    """The removal of ``atoms``, space by space, ``gone`` having gone before."""
    for space in analysis.spaces:
        removed = np.flatnonzero(np.isin(space.atoms, atoms))
        if removed.size:
            kept = scores[space.atoms[~np.isin(space.atoms, np.union1d(atoms, gone))]]
            edge = f"; the least kept has {kept.min():.6g}" if kept.size else ""
            highest = scores[space.atoms][removed].max()
            why = f"lowest {criterion} of {space.size}: at most {highest:.6g}{edge}"
            names = list(dict.fromkeys(member.parameter for member in space.members))
            yield SpaceCut(name=space.name, size=space.size, removed=removed.tolist(), why=why, parameters=names)


def atoms_of(plan: Plan, analysis: Analysis, digest: str) -> Labels:
    """The atoms that a plan removes from this analysis.

    Raises:
        PlanError: made for another graph, or its spaces and indices do not fit.
    """
    if plan.digest != digest:
        raise PlanError(
            f"the plan was made for another graph ({plan.digest[:19]}…, this one is {digest[:19]}…)",
            fix="Make a plan for this model, or use the model that the plan was made for.",
        )
    return atoms_of_cuts(plan.cuts, analysis)


def atoms_of_cuts(cuts: Sequence[SpaceCut], analysis: Analysis) -> Labels:
    """The atoms that cuts remove, in an analysis with the groups aligned as they say.

    Raises:
        PlanError: spaces and indices do not fit.
    """
    spaces = {space.name: space for space in analysis.spaces}
    picked, whole = [np.zeros(0, np.int64)], False
    if len({cut.name for cut in cuts}) < len(cuts):
        raise PlanError("the plan names a channel space twice", fix="Make a plan with `compressor compress --plan`.")
    for cut in cuts:
        space = spaces.get(cut.name)
        if space is None or space.size != cut.size:
            raise PlanError("the plan names a channel space that this graph does not have", where=cut.name)
        index = np.asarray(cut.removed, np.int64)
        if index.size and (index.min() < 0 or index.max() >= space.size or np.unique(index).size != index.size):
            raise PlanError(f"removed indices are not distinct numbers below {space.size}", where=cut.name)
        whole = index.size >= space.size or whole
        picked.append(space.atoms[index])
    atoms = np.sort(np.concatenate(picked))
    if whole and Branches.of(analysis).ends(atoms) is None:
        raise PlanError("the plan removes every channel of a space that the model cannot do without")
    return atoms
