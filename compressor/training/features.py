"""Inner tensors of a module made from an ONNX graph, by the names that they have in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from compressor.bridge.lowering import ONNX_NAME
from compressor.errors import UsageError
from compressor.training.context import KeptMasks

_MOST = 12  # tensors compared where the user names none: more cost memory and say little


def with_features(module: fx.GraphModule, names: Sequence[str]) -> fx.GraphModule:
    """The module with inner tensors as further outputs: (outputs, features). Parameters and buffers are shared.

    Move the module to its device first: moving makes new buffers.
    """
    graph = fx.Graph()
    copies: dict[fx.Node, fx.Node] = {}
    outputs = graph.graph_copy(module.graph, copies)
    found = {node.meta[ONNX_NAME]: copies[node] for node in module.graph.nodes if ONNX_NAME in node.meta}
    missing = [name for name in names if name not in found]
    if missing:
        raise UsageError(f"the graph has no tensor {missing[0]!r} that is computed at run time")
    whole = outputs if isinstance(outputs, tuple) else (outputs,)
    graph.output((whole, tuple(found[name] for name in names)))
    return fx.GraphModule(module, graph).train(module.training)


def inner_shapes(module: fx.GraphModule, inputs: Sequence[Tensor]) -> dict[str, tuple[int, ...]]:
    """Shapes of the floating-point tensors that are computed from the inputs, in the order of the graph."""
    recorder = _Recorder(module)
    with torch.no_grad():
        recorder.run(*inputs)
    return recorder.shapes


class _Recorder(fx.Interpreter):
    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module, garbage_collect_values=True)
        self.shapes: dict[str, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        name = n.meta.get(ONNX_NAME)
        if n.op == "call_function" and name is not None and isinstance(value, Tensor) and value.is_floating_point():
            self.shapes[name] = tuple(value.shape)
        return value


@dataclass(frozen=True)
class Feature:
    """An inner tensor of the teacher, and which of it the student has.

    Attributes:
        name: in both graphs.
        kept: (axis, indices) of the axes along which the student was cut.
    """

    name: str
    kept: tuple[tuple[int, Tensor], ...] = ()

    def of_teacher(self, value: Tensor) -> Tensor:
        """The part of the teacher's tensor that the student has."""
        for axis, indices in self.kept:
            value = value.index_select(axis, indices.to(value.device))
        return value


def matching_features(
    student: fx.GraphModule, teacher: fx.GraphModule, inputs: Sequence[Tensor], asked: Sequence[str] = (),
    kept: KeptMasks | None = None,
) -> list[Feature]:  # fmt: skip
    """Inner tensors that both modules have, the teacher's less what was cut: those asked for, or some over the depth.

    Raises:
        UsageError: there is none, or one that was asked for cannot be compared.
    """
    mine, theirs = inner_shapes(student, inputs), inner_shapes(teacher, inputs)
    outputs = {node.meta.get(ONNX_NAME) for node in _output_nodes(student)}
    shared = {}
    for name, shape in mine.items():
        feature = None if name in outputs or name not in theirs else _feature(name, shape, theirs[name], kept)
        if feature is not None:
            shared[name] = feature
    for name in asked:
        if name not in shared:
            raise UsageError(
                f"feature {name!r} is {_shape(mine, name)} here and {_shape(theirs, name)} in the original",
                fix=f"Choose from: {', '.join(shared) or 'none agree'}.",
            )
    if not shared:
        raise UsageError("no inner tensor can be compared", fix="Distil from the outputs only.")
    if asked:
        return [shared[name] for name in asked]
    names, stride = list(shared), -(-len(shared) // _MOST)
    return [shared[name] for name in names[::-1][::stride][::-1]]  # counted from the end: the last ones say most


def _feature(name: str, mine: tuple[int, ...], theirs: tuple[int, ...], kept: KeptMasks | None) -> Feature | None:
    """The feature, if what is left of the teacher's shape is the student's."""
    if mine == theirs:
        return Feature(name)
    masks = [] if kept is None else list(kept(name))
    if len(masks) != len(theirs):
        return None
    cuts = []
    for axis, mask in enumerate(masks):
        if mine[axis] == theirs[axis]:
            continue
        if mask is None or mask.size != theirs[axis] or int(mask.sum()) != mine[axis]:
            return None
        cuts.append((axis, torch.from_numpy(np.flatnonzero(mask))))
    return Feature(name, tuple(cuts)) if len(mine) == len(theirs) else None


def _shape(shapes: dict[str, tuple[int, ...]], name: str) -> str:
    return str(list(shapes[name])) if name in shapes else "absent"


def _output_nodes(module: fx.GraphModule) -> list[fx.Node]:
    (output,) = (node for node in module.graph.nodes if node.op == "output")
    return list(output.all_input_nodes)
