"""A latency table: what one model costs on one setting at the widths tried, as a file that can be carried about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import platformdirs
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from compressor.atomic import write_bytes
from compressor.errors import PlanError, UsageError
from compressor.graph_export import element_type, export_model
from compressor.passes.analysis import Analysis
from compressor.tensor_bytes import raw_bytes

_MAX_BYTES = 256 << 20
_SHAPE_VALUES = 1024  # elements: targets of Reshape and the like are part of the structure
_FIX = "Make one with `compressor table`."


class Sample(BaseModel):
    """One candidate's times.

    Attributes:
        widths: channels kept of every space.
        units_ms: milliseconds of every unit of work, by its name; empty where the runtime does not tell.
        whole_ms: of a whole run, without profiling.
        reference_ms: of the original in the same moments; None where it was not measured.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    widths: list[int]
    units_ms: dict[str, float] = Field(default_factory=dict)
    whole_ms: float = Field(gt=0)
    reference_ms: float | None = Field(default=None, gt=0)


class LatencyTable(BaseModel):
    """All that was measured of one model's structure on one setting.

    Attributes:
        structure: digest of the graph without its values: trained weights take as long as others.
        facts: hardware, libraries, threads and sizes.
        spaces: sizes of the channel spaces, by name.
        samples: in the order in which they were measured; the first is the whole model.
        seconds: that the measurements took.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["compressor-latency-table"] = "compressor-latency-table"
    version: Literal[1] = 1
    structure: str
    facts: dict[str, Any]
    spaces: dict[str, int]
    samples: list[Sample] = Field(default_factory=list)
    seconds: float = 0.0

    def save(self, path: Path) -> None:
        """Write whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, self.model_dump_json(indent=1).encode() + b"\n")

    def widths(self) -> NDArray[np.int64]:
        """Int64 [samples, spaces]."""
        return np.array([sample.widths for sample in self.samples], np.int64).reshape(-1, len(self.spaces))

    def original_ms(self) -> float:
        """The model with all channels, at the machine's usual speed."""
        found = [sample.reference_ms for sample in self.samples if sample.reference_ms is not None]
        return float(np.median(found)) if found else self.samples[0].whole_ms

    def whole_ms(self) -> NDArray[np.float64]:
        """Float64 [samples], at the machine's usual speed."""
        return np.array([sample.whole_ms for sample in self.samples]) / self._pace()

    def units_ms(self, names: Sequence[str]) -> NDArray[np.float64]:
        """Float64 [samples, units] in the order of ``names``, at the machine's usual speed."""
        rows = [[sample.units_ms.get(name, 0.0) for name in names] for sample in self.samples]
        return np.array(rows, np.float64).reshape(-1, len(names)) / self._pace()[:, None]

    def _pace(self) -> NDArray[np.float64]:
        """Float64 [samples]: how much longer the original took than it usually does, while each was measured."""
        usual = self.original_ms()
        return np.array([(sample.reference_ms or usual) / usual for sample in self.samples], np.float64)


def new_table(analysis: Analysis, facts: dict[str, Any]) -> LatencyTable:
    """An empty table for a graph."""
    spaces = {space.name: space.size for space in analysis.spaces}
    return LatencyTable(structure=structure(analysis), facts=facts, spaces=spaces)


def structure(analysis: Analysis) -> str:
    """ "sha256:..." of the analysed graph without the values of its floating-point weights."""
    model, constants = export_model(analysis.graph)
    hasher = hashlib.sha256(model.SerializeToString(deterministic=True))
    for constant in sorted(constants, key=lambda constant: str(constant.name)):
        shape = [int(size) for size in constant.shape]
        hasher.update(json.dumps([str(constant.name), int(element_type(constant)), shape]).encode())
        if np.issubdtype(constant.dtype, np.integer) and np.prod(shape) <= _SHAPE_VALUES:
            hasher.update(raw_bytes(constant))
    hasher.update(json.dumps([(space.name, space.size) for space in analysis.spaces]).encode())
    return f"sha256:{hasher.hexdigest()}"


def read_table(path: Path) -> LatencyTable:
    """Read and validate a table.

    Raises:
        PlanError: missing, unreadable, or no table.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise PlanError("the file is too large for a latency table", where=str(path))
        table = LatencyTable.model_validate_json(path.read_bytes())
    except OSError as error:
        raise PlanError(f"the latency table cannot be read: {error.strerror}", where=str(path), fix=_FIX) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise PlanError(f"not a latency table: {place}: {first['msg']}", where=str(path), fix=_FIX) from error
    if any(len(sample.widths) != len(table.spaces) for sample in table.samples):
        raise PlanError("not a latency table: its samples have other spaces than it", where=str(path), fix=_FIX)
    return table


def cached_path(structure: str, facts: dict[str, Any]) -> Path:
    """Where the table of such a graph on such a setting is kept, under the user's cache folder."""
    name = hashlib.sha256(json.dumps([structure, facts], sort_keys=True).encode()).hexdigest()[:32]
    return platformdirs.user_cache_path("compressor", appauthor=False) / "latency" / f"{name}.json"


def _backend(facts: dict[str, Any]) -> Any:
    """Of the runtime, where a table's file tells it."""
    runtime = facts.get("runtime")
    return runtime.get("backend") if isinstance(runtime, dict) else None


def check_fits(table: LatencyTable, analysis: Analysis, facts: dict[str, Any], where: Path) -> None:
    """Refuse a table of another model or runtime, or of other threads and sizes; another machine's is welcome.

    Raises:
        PlanError, UsageError: what does not fit.
    """
    if table.structure != structure(analysis):
        raise PlanError("the latency table was made for another model", where=str(where), fix=_FIX)
    made, asked = _backend(table.facts), _backend(facts)
    if made != asked:
        raise UsageError(
            f"the latency table was made on {made}, not on {asked}",
            where=str(where),
            fix=f"Give --backend {made}, or make a table on {asked}.",
        )
    for key in ("threads", "batch", "dims"):
        if table.facts.get(key) != facts[key]:
            raise UsageError(
                f"the latency table was made with {key} {table.facts.get(key)}, not {facts[key]}",
                where=str(where),
                fix=f"Ask for the same {key}, or make a table with these.",
            )
