"""``why``: the time of one or two models, op by op as the runtime fused them, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnx
from onnx import helper

from compressor.backends.base import KERNELS_FIX, Array, Backend, get_backend, require_usable
from compressor.backends.inputs import index_bounds, random_feeds
from compressor.backends.load import CpuUse, disturbance
from compressor.errors import BackendError
from compressor.loaded import load_model
from compressor.model_io import outline
from compressor.results import RESULT_VERSION
from compressor.targets import PathLike
from compressor.why.advice import Facts, advise, by_space
from compressor.why.network import Network, check_same_network
from compressor.why.one_op import AXES, Steps, find_steps, same_work
from compressor.why.rows import Measured, Row, build_rows
from compressor.why.spaces import SpaceMap
from compressor.why.timing import NS_PER_MS, Tell, Times, measure

BEFORE, AFTER = "before", "after"
_IDLE_RUNS = 200


@dataclass(frozen=True)
class Explanation:
    """Where the time goes.

    Attributes:
        models: path by label: "before", and "after" where there are two.
        backend, provider, threads: where it was measured.
        sizes: shape of every input.
        whole_ms: median of a run without profiling, by label.
        kernels_ms: median of the sum over all kernels in profiled runs, by label.
        idle_ms: median of a run of a model that computes next to nothing.
        rows: slowest first, in the last model.
        spaces_ms: milliseconds of the ops along each channel space, most first.
        steps: by tensor of a row, what was found at widths around its own.
        warnings: what disturbed the measurement.
        unmatched: layers of the first model that the second does not have under their names.
        advice: in plain words.
    """

    models: dict[str, str]
    backend: str
    provider: str
    threads: int
    sizes: dict[str, list[int]]
    whole_ms: dict[str, float]
    kernels_ms: dict[str, float]
    idle_ms: float
    rows: list[Row]
    spaces_ms: dict[str, float]
    steps: dict[str, list[Steps]]
    warnings: list[str] = field(default_factory=list)
    unmatched: list[str] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)

    @property
    def last(self) -> str:
        """The label of the model that counts."""
        return next(reversed(self.models))

    def share(self, row: Row) -> float:
        """Of the time of all rows."""
        return row.ms / sum(one.ms for one in self.rows) if row.ms else 0.0

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values."""
        rows = [{**row.to_json(), "share": self.share(row)} for row in self.rows]
        steps = {tensor: [one.to_json() for one in found] for tensor, found in self.steps.items()}
        plain = {name: value for name, value in vars(self).items() if name not in ("rows", "steps")}
        overhead = {label: self.kernels_ms[label] / whole - 1 for label, whole in self.whole_ms.items()}
        return {
            "kind": "why", "version": RESULT_VERSION, **plain, "profiling_overhead": overhead, "rows": rows,
            "steps": steps,
        }  # fmt: skip


def explain(
    before: PathLike, after: PathLike | None = None, *, backend: str = "onnxruntime-cpu", threads: int | None = 1,
    batch: int = 1, dims: Mapping[str, int] | None = None, probed: int = 3,
    predicted: Mapping[str, float] | None = None, seed: int = 0, progress: Tell = lambda done, total: None,
) -> Explanation:  # fmt: skip
    """Where the time of a model goes, or where that of a pruned one went.

    Args:
        before: an ONNX file.
        after: the same network with fewer channels; names of tensors must be the same.
        backend: a runtime that tells the times of its kernels.
        threads: threads per operator; None takes every CPU this process may use.
        batch, dims: sizes of symbolic dimensions.
        probed: how many of the slowest layers are timed alone at widths around their own; layers alike count once.
        predicted: milliseconds by tensor of the file, of the model that counts, to be shown beside.
        seed: of inputs and of the order of turns.
        progress: called with (turns done, turns) while the models are timed.

    Raises:
        BackendError: the backend is not usable, or tells no times of kernels.
        ModelFileError, GraphError: a file that cannot be read or analysed.
        UsageError: the two are not forms of one network, or sizes do not fit.
    """
    runtime = get_backend(backend)
    require_usable(runtime)
    if not runtime.tells_kernels:
        raise BackendError("this runtime does not tell the times of its kernels", where=backend, fix=KERNELS_FIX)
    paths = {BEFORE: before} if after is None else {BEFORE: before, AFTER: after}
    networks = {label: Network.read(path) for label, path in paths.items()}
    unmatched = [] if after is None else check_same_network(networks[BEFORE], networks[AFTER])
    feeds = _feeds(runtime, networks[BEFORE], batch, dims or {}, seed)
    models = {label: str(path) for label, path in paths.items()}
    start = CpuUse.now()
    times = measure(runtime, models, feeds, threads, seed, progress)
    sides = {label: Measured(networks[label], times[label], networks[label].shapes(feeds)) for label in models}
    spaces = SpaceMap(load_model(before).analysis)
    rows = [
        replace(row, spaces=() if row.added else spaces.of(row.tensor, row.layer))
        for row in build_rows(sides[BEFORE], sides.get(AFTER), predicted)
    ]
    last = list(sides.values())[-1]
    steps = _steps(runtime, last, rows, probed, threads, seed)
    facts = Facts(
        rows=rows, whole_ms=last.times.whole_ms, kernels_ms=last.times.kernels_ms, idle_ms=_idle_ms(runtime, threads),
        whole_before_ms=0.0 if after is None else times[BEFORE].whole_ms, space_sizes=spaces.sizes, steps=steps,
    )  # fmt: skip
    return Explanation(
        models=models, backend=backend, provider=last.times.provider, threads=last.times.threads,
        sizes={name: list(array.shape) for name, array in feeds.items()},
        whole_ms={label: side.whole_ms for label, side in times.items()},
        kernels_ms={label: side.kernels_ms for label, side in times.items()},
        idle_ms=facts.idle_ms, rows=rows, spaces_ms=by_space(facts), steps=steps,
        warnings=disturbance(start, CpuUse.now()), unmatched=unmatched, advice=advise(facts),
    )  # fmt: skip


def _feeds(backend: Backend, network: Network, batch: int, dims: Mapping[str, int], seed: int) -> dict[str, Array]:
    with backend.open(str(network.path), threads=1) as session:
        return random_feeds(
            session.inputs, seed=seed, batch=batch, dims=dict(dims), bounds=index_bounds(outline(network.graph))
        )


def _steps(
    backend: Backend, side: Measured, rows: Sequence[Row], probed: int, threads: int | None, seed: int
) -> dict[str, list[Steps]]:
    """The steps of the slowest layers, and of others like them, by tensor."""
    found: dict[str, list[Steps]] = {}
    alike: dict[str, list[Steps]] = {}
    for row in rows:
        if row.layer not in side.network.nodes or row.layer is None:
            continue
        key = same_work(side.network, row.layer, side.shapes)
        if key not in alike:
            if len(alike) == probed:
                continue
            each = (find_steps(backend, side.network, row.layer, side.shapes, axis, threads, seed) for axis in AXES)
            alike[key] = [steps for steps in each if steps is not None]
        found[row.tensor] = alike[key]
    return found


def _idle_ms(backend: Backend, threads: int | None) -> float:
    """A run that computes one number."""
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"], "one")], "idle", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    with backend.open(model, threads=threads) as session:
        return float(np.median(session.time_ns({"x": np.ones(1, np.float32)}, _IDLE_RUNS))) / NS_PER_MS


__all__ = ["Explanation", "Times", "explain"]
