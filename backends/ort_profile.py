"""Times of single kernels from ONNX Runtime's own profile: on the CPU, where a node's time is that of its work."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compressor.backends.file_graph import FileGraph, name_nodes
from compressor.backends.kernels import Kernel
from compressor.backends.ort_model import OrtModel
from compressor.backends.ort_optimized import carried_tensors
from compressor.errors import BackendError

if TYPE_CHECKING:
    import onnx

WARM_UP_RUNS = 3
_SUFFIX = "_kernel_time"
_OPTIMISED, _WEIGHTS = "optimised.onnx", "weights.bin"
_INLINE_BYTES = "1024"


def watch(options: Any, folder: Path) -> None:
    """Let a session write its profile and its optimised graph into ``folder``, the weights nowhere where that works."""
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    options.optimized_model_filepath = str(folder / _OPTIMISED)
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", _WEIGHTS)
    options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", _INLINE_BYTES)
    with suppress(OSError):  # Windows gives links to administrators only: there the weights are written
        (folder / _WEIGHTS).symlink_to(os.devnull)


def with_unique_names(model: OrtModel) -> tuple[OrtModel, onnx.GraphProto]:
    """(``model`` with a name of its own for each node, since profiles know nodes by name; its graph)."""
    import onnx

    path = None if isinstance(model.source, bytes) else Path(model.source)
    if isinstance(model.source, bytes):
        proto = onnx.load_from_string(model.source)
    else:
        proto = onnx.load(model.source, load_external_data=False)
    if not name_nodes(proto):
        return model, proto.graph
    folder = model.folder if path is None else str(path.resolve().parent)
    return replace(model, source=proto.SerializeToString(), folder=folder), proto.graph


def read_kernels(profile: Path, folder: Path, graph: onnx.GraphProto, repeats: int) -> list[Kernel]:
    """The kernels of the last ``repeats`` runs.

    Args:
        profile: what ``InferenceSession.end_profiling`` wrote.
        folder: as given to ``watch``.
        graph: of the file, from ``with_unique_names``.
        repeats: how many runs were made after the warm-up.
    """
    import onnx

    file = FileGraph(graph)
    optimised = onnx.load(str(folder / _OPTIMISED), load_external_data=False).graph
    carried = carried_tensors(file, optimised)
    nodes = {node.name: node for node in optimised.node}
    runs = list(_runs(json.loads(profile.read_text(encoding="utf-8")), nodes.keys()))[-repeats:]
    if len(runs) != repeats or any(run.keys() != runs[0].keys() for run in runs):
        raise BackendError("ONNX Runtime's profile does not tell every kernel of every run")
    kernels = []
    for name in runs[0]:
        node = nodes[name]
        inputs = {carried[i] for i in node.input if i in carried}
        outputs = tuple(dict.fromkeys(carried[o] for o in node.output if o))
        made = tuple(tensor for tensor in outputs if tensor not in inputs)
        times = tuple(run[name] for run in runs)
        kernels.append(Kernel(name, node.op_type, made or outputs, not made, times))
    return kernels


def _runs(events: list[dict[str, Any]], names: Any) -> Iterator[dict[str, int]]:
    """Nanoseconds by node, for each run. Nodes of bodies are inside the time of the node that has the body."""
    spans = [(e["ts"], e["ts"] + e["dur"]) for e in events if e["cat"] == "Session" and e["name"] == "model_run"]
    timed = sorted((e for e in events if e["cat"] == "Node" and e["name"].endswith(_SUFFIX)), key=lambda e: e["ts"])
    for start, end in sorted(spans):
        run: dict[str, int] = {}
        for event in timed:
            name = event["name"].removesuffix(_SUFFIX)
            if start <= event["ts"] <= end and name in names:
                run[name] = event["dur"] * 1000 + 500  # told in whole microseconds, rounded down
        yield run
