"""``inspect``: what can be cut from a model, what hangs together, what is fixed and why."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from compressor.passes.analysis import Analysis, prunable_share
from compressor.passes.cost import CostModel
from compressor.pipeline import PathLike, load_model, total_bytes
from compressor.results import Inspection, SpaceSummary


def inspect_model(path: PathLike) -> Inspection:
    """Analyse a model file and describe its channel spaces.

    Raises:
        ModelFileError: the file cannot be read safely.
        GraphError: its shapes cannot be inferred.
    """
    start = time.perf_counter()
    loaded = load_model(path)
    analysis, total = loaded.analysis, loaded.cost.cost(np.zeros(0, np.int64))
    return Inspection(
        model=str(path),
        digest=loaded.digest,
        opset=int(analysis.graph.opset),
        nodes=len(analysis.graph.nodes),
        params=total.params,
        macs=total.macs,
        size_bytes=total_bytes(loaded.files),
        weights_reached=prunable_share(analysis),
        inputs=_signature(analysis.graph.inputs),
        outputs=_signature(analysis.graph.outputs),
        spaces=_summaries(analysis, loaded.cost),
        fixed=analysis.fixed_axes(),
        seconds=round(time.perf_counter() - start, 4),
    )


def _signature(tensors: list[gs.Tensor]) -> dict[str, list[int | str | None]]:
    return {tensor.name: [_dimension(size) for size in tensor.shape or []] for tensor in tensors}


def _dimension(size: Any) -> int | str | None:
    return size if isinstance(size, str) or size is None else int(size)


def _summaries(analysis: Analysis, cost: CostModel) -> list[SpaceSummary]:
    params, macs = cost.by_owner(np.zeros(0, np.int64))
    summaries = []
    for space in analysis.spaces:
        parameters = list(dict.fromkeys(member.parameter for member in space.members))
        nodes = list(dict.fromkeys(member.node for member in space.members))
        summaries.append(
            SpaceSummary(
                name=space.name,
                size=space.size,
                soft=space.soft,
                params=sum(params.get(name, 0) for name in parameters),
                macs=sum(macs.get(name, 0) for name in nodes),
                parameters=list(dict.fromkeys(f"{member.parameter}[{member.axis}]" for member in space.members)),
            )
        )
    return summaries
