"""A plan: which indices of which spaces go, and why. Pure JSON, bound to one graph by its digest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from compressor.atomic import write_bytes
from compressor.errors import PlanError
from compressor.passes.analysis import Analysis
from compressor.passes.labels import Labels
from compressor.passes.slices import Scores

_MAX_BYTES = 256 << 20  # a plan of a billion-parameter model is far below


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
    removed: list[int]
    groups: list[list[int]] | None = None
    why: str
    parameters: list[str]


class PlanCounts(BaseModel):
    """Counts the plan was made with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    params: int = Field(ge=0)
    macs: int = Field(ge=0)
    channels: int = Field(ge=0)


class Plan(BaseModel):
    """A removal that can be saved, read and replayed.

    Attributes:
        digest: of the graph it was made for; another graph is refused.
        made_with: criterion, target, options, seed and versions.
        before, after: counts without and with the removal.
        cuts: one entry per space that loses channels.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["compressor-plan"] = "compressor-plan"
    version: Literal[1] = 1
    digest: str
    made_with: dict[str, str | int | float | bool | None]
    before: PlanCounts
    after: PlanCounts
    cuts: list[SpaceCut]

    def to_bytes(self) -> bytes:
        """The content of a plan's file."""
        return self.model_dump_json(indent=1).encode() + b"\n"

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


def cuts_of(analysis: Analysis, atoms: Labels, scores: Scores, criterion: str) -> Iterator[SpaceCut]:
    """The removal of ``atoms``, space by space."""
    for space in analysis.spaces:
        removed = np.flatnonzero(np.isin(space.atoms, atoms))
        if removed.size:
            kept = np.delete(scores[space.atoms], removed)
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
    spaces = {space.name: space for space in analysis.spaces}
    picked = [np.zeros(0, np.int64)]
    if len({cut.name for cut in plan.cuts}) < len(plan.cuts):
        raise PlanError("the plan names a channel space twice", fix="Make a plan with `compressor compress --plan`.")
    for cut in plan.cuts:
        space = spaces.get(cut.name)
        if space is None or space.size != cut.size:
            raise PlanError("the plan names a channel space that this graph does not have", where=cut.name)
        index = np.asarray(cut.removed, np.int64)
        if index.size and (index.min() < 0 or index.max() >= space.size or np.unique(index).size != index.size):
            raise PlanError(f"removed indices are not distinct numbers below {space.size}", where=cut.name)
        if index.size >= space.size:
            raise PlanError("the plan removes every channel of a space", where=cut.name)
        picked.append(space.atoms[index])
    return np.sort(np.concatenate(picked))
