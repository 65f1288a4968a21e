"""Makes a latency table of a model as a file, on the machine whose latency counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compressor.latency.prediction import Prediction
from compressor.latency.setting import Setting
from compressor.latency.source import TableSource, fill_file
from compressor.loaded import load_model
from compressor.passes.cost import NO_ATOMS
from compressor.targets import PathLike, check_paths, spare


@dataclass(frozen=True)
class MadeTable:
    """The answer of ``table``.

    Attributes:
        steps: by type of op, the multiple of channels in which its cost rises.
        original_ms: of a run of the model as it is.
        units_ms: the slowest layers of the model as it is, by tensor.
    """

    model: str
    source: TableSource
    steps: dict[str, int]
    original_ms: float
    units_ms: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        table = self.source.table
        return {
            "kind": "latency table", "version": 1, "model": self.model, "table": str(self.source.path),
            "samples": len(table.samples), "measured_now": self.source.measured, "seconds": table.seconds,
            "steps": self.steps, "original_ms": self.original_ms, "units_ms": self.units_ms, "facts": table.facts,
        }  # fmt: skip


def make_table(
    model: PathLike, output: PathLike, setting: Setting | None = None, minutes: float = 5.0, *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> MadeTable:  # fmt: skip
    """Measure what a model's layers cost here at many widths, for ``LatencyGoal(table=...)`` anywhere.

    Args:
        model: an ONNX file.
        output: the table, saved after every sample; one that is there is gone on with.
        setting: runtime, threads and sizes of inputs; by default ONNX Runtime's CPU kernels, one thread, batch 1.
        minutes: of measuring, at most.
        progress: called with (samples measured, samples wanted).

    Raises:
        UsageError, PlanError: the file is of another model, setting or machine.
        BackendError: the runtime is missing, or cannot run the model.
    """
    check_paths(model, output, None)
    loaded = load_model(model)
    spare(loaded.files, output, None)
    source = fill_file(Path(output), setting or Setting(), minutes, loaded.analysis, loaded.cost, progress)
    prediction: Prediction = source.prediction(loaded.analysis, loaded.cost)
    units = prediction.units_ms(NO_ATOMS)
    steps = {op: step for op, step in prediction.steps.items() if op}
    return MadeTable(str(model), source, steps, float(source.table.samples[0].whole_ms), units)
