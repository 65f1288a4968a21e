"""``bench``: latency of model files side by side, as ratios with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from compressor.backends.base import Array, get_backend
from compressor.backends.comparison import Comparison
from compressor.backends.inputs import index_bounds, random_feeds
from compressor.backends.modes import LATENCY, Mode
from compressor.backends.timing import compare
from compressor.errors import UsageError
from compressor.model_io import outline, read
from compressor.targets import PathLike

Progress: TypeAlias = Callable[[int, int], None]

PROCESSES, COLD_STARTS = 5, 12  # by default; each cold start is one block, and few blocks conclude nothing


def bench(
    models: Sequence[PathLike],
    *,
    backend: str = "onnxruntime-cpu",
    threads: int | None = 1,
    batch: int = 1,
    dims: Mapping[str, int] | None = None,
    processes: int | None = None,
    min_time_s: float = 2.0,
    max_time_s: float = 60.0,
    seed: int = 0,
    mode: Mode = LATENCY,
    progress: Progress | None = None,
) -> Comparison:
    """Time model files on the same random inputs; the first is the baseline.

    Args:
        models: paths of ONNX files with the same inputs.
        backend: name of the runtime.
        threads: threads per operator; None takes every CPU this process may use.
        batch, dims: sizes of symbolic dimensions.
        processes: fresh processes to measure in; by default 5, and 12 for cold starts.
        min_time_s, max_time_s, seed, mode, progress: as ``compressor.backends.timing.compare``. Energy is measured with
            the times where a meter tells it.

    Raises:
        UsageError: no model is given, or one is given twice under one name.
        BackendError: the runtime is missing or refuses a model.
    """
    if not models:
        raise UsageError("there is no model to time", fix="Name one or more ONNX files.")
    labels = _labels([Path(path) for path in models])
    feeds = feeds_for(Path(models[0]), backend=backend, batch=batch, dims=dims, seed=seed)
    count = processes if processes is not None else COLD_STARTS if mode.kind == "cold-start" else PROCESSES
    return compare(
        labels, feeds, backend=backend, threads=threads, processes=count, min_time_s=min_time_s,
        max_time_s=max_time_s, seed=seed, mode=mode, energy=True, progress=progress,
    )  # fmt: skip


def feeds_for(path: Path, *, backend: str, batch: int, dims: Mapping[str, int] | None, seed: int) -> dict[str, Array]:
    """Random inputs that fit a model file; token ids stay inside their tables."""
    graph = read(path)
    with get_backend(backend).open(path) as session:
        return random_feeds(
            session.inputs, seed=seed, batch=batch, dims=dict(dims or {}), bounds=index_bounds(outline(graph))
        )


def _labels(paths: Sequence[Path]) -> dict[str, Path]:
    labels: dict[str, Path] = {}
    for path in paths:
        label, count = path.name, 1
        while label in labels:
            count += 1
            label = f"{path.name} #{count}"
        labels[label] = path
    return labels
