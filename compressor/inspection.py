"""``inspect``: what can be cut from a model, what hangs together, what is fixed and why."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from compressor.atomic import write_bytes
from compressor.errors import UsageError
from compressor.loaded import load_model, total_bytes
from compressor.model_io import same_file
from compressor.passes.analysis import Analysis, prunable_share
from compressor.passes.branches import Branches
from compressor.passes.cost import CostModel
from compressor.passes.describe import Description, describe_spaces
from compressor.passes.explain import Explainer, FixedAxis, node_label
from compressor.results import FixedSummary, Inspection, SpacePart, SpaceSummary
from compressor.targets import PathLike


def inspect_model(path: PathLike, *, html: PathLike | None = None) -> Inspection:
    """Analyse a model file and describe its channel spaces.

    Args:
        path: an ONNX file.
        html: where to write the answer as a page that needs nothing else.

    Raises:
        ModelFileError: the file cannot be read safely, or the page not be written.
        GraphError: its shapes cannot be inferred.
        UsageError: the page would replace a file of the model.
    """
    start = time.perf_counter()
    loaded = load_model(path)
    if html is not None and any(same_file(Path(html), source) for source in loaded.files):
        raise UsageError("the page would replace a file of the input", where=str(html), fix="Choose another name.")
    analysis, total = loaded.analysis, loaded.cost.cost(np.zeros(0, np.int64))
    spaces, fixed = describe_spaces(analysis), Explainer(analysis).fixed_axes()
    result = Inspection(
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
        spaces=_summaries(analysis, loaded.cost, spaces),
        fixed=[_fixed(one) for one in fixed],
        parameters=_parameters(analysis),
        seconds=round(time.perf_counter() - start, 4),
    )
    if html is not None:
        from compressor.inspection_page import page

        write_bytes(Path(html), page(result, analysis, spaces, fixed).encode())
    return result


def _signature(tensors: list[gs.Tensor]) -> dict[str, list[int | str | None]]:
    return {tensor.name: [_dimension(size) for size in tensor.shape or []] for tensor in tensors}


def _dimension(size: Any) -> int | str | None:
    return size if isinstance(size, str) or size is None else int(size)


def _summaries(analysis: Analysis, cost: CostModel, described: list[Description]) -> list[SpaceSummary]:
    params, macs = cost.by_owner(np.zeros(0, np.int64))
    branches = {analysis.spaces[number].name for number in Branches.of(analysis).spaces()}
    summaries = []
    for one in described:
        parameters = list(dict.fromkeys(part.parameter for part in one.parts))
        nodes = list(dict.fromkeys(member.node for member in one.space.members))
        summaries.append(
            SpaceSummary(
                name=one.space.name,
                size=one.space.size,
                soft=one.space.soft,
                params=sum(params.get(name, 0) for name in parameters),
                macs=sum(macs.get(name, 0) for name in nodes),
                parameters=list(dict.fromkeys(f"{part.parameter}[{part.axis}]" for part in one.parts)),
                normalised_by=[node_label(analysis.nodes[node]) for node in one.normalised_by],
                parts=[
                    SpacePart(
                        part.role, part.parameter, part.axis, part.per_channel, node_label(analysis.nodes[part.node])
                    )
                    for part in one.parts
                ],
                passes=one.passes,
                branch=one.space.name in branches,
            )
        )
    return summaries


def _fixed(one: FixedAxis) -> FixedSummary:
    chain = [step.text for step in one.chain]
    return FixedSummary(one.parameter, one.axis, one.count, one.size, one.reason, one.group, chain)


def _parameters(analysis: Analysis) -> dict[str, list[int]]:
    tensors = [analysis.nodes[node].inputs[slot] for node, slot in analysis.state.uses]
    return {tensor.name: [int(size) for size in tensor.shape] for tensor in tensors}
