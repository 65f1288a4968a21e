"""The most bytes that are live at once while a graph runs node by node, as a function of the lengths of its axes.

Buffers as runtimes handle them: a tensor lives from the node that computes it to the last one that reads it; inputs of
the graph live all the time, its outputs to the end; views (Reshape and the like) share their input's buffer, and
elementwise ops write over an input that nobody reads after them, which is what a fused activation comes to as well.

How far off that is, with the weights (ONNX Runtime 1.32 on one CPU thread; peak of resident memory of a fresh process
less what it had before the model was opened; resnet50, vit_b_16, and resnet18 and mobilenet_v2 at batch 8): what is
measured is 1.7 to 2.6 times as much, since the runtime holds weights in its own layout beside the file's. The share
that half the channels keep, in multiples of 16, is off by at most 0.03 of the original (0.29 measured for 0.29 told,
0.37 for 0.40, 0.50 for 0.53, 0.53 for 0.52). At odd widths it tells less: convolutions are computed from copied
patches then, which took mobilenet_v2 back to 1.03 where 0.51 was told; and weights are not held twice (resnet50: 0.22
for 0.29).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.errors import GraphError
from compressor.passes.analysis import Analysis
from compressor.passes.axis_table import AxisTable
from compressor.passes.facts import Probe
from compressor.passes.probe import walk
from compressor.tensor_values import stored_bytes

Floats = NDArray[np.float64]
_BYTE = 8  # elements of a whole number of bytes, whatever their bits
_VIEWS = {"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Dropout"}
_IN_PLACE = {
    "Add", "Sub", "Mul", "Div", "Sum", "Max", "Min", "BatchNormalization", "Relu", "LeakyRelu", "PRelu", "Elu", "Selu",
    "Sigmoid", "HardSigmoid", "HardSwish", "Mish", "Tanh", "Softplus", "Softsign", "Gelu", "Clip", "Abs", "Neg", "Exp",
    "Log", "Sqrt", "Reciprocal", "Erf", "Pow",
}  # fmt: skip


@dataclass
class _Buffer:
    """Bytes are ``width`` times the lengths of ``rows``; live from node ``start`` to node ``end``."""

    width: float
    rows: tuple[int, ...]
    start: int
    end: int


class LiveTensors:
    """Peak of the tensors that are live at once, weights left out.

    Args:
        analysis: of the graph; nodes run in its order.
        table: to which the axes of tensors are added.
        sizes: of all symbolic dimensions of the graph's inputs, as ``probe.symbols`` names them.

    Raises:
        GraphError: the graph does not fit these sizes.
    """

    def __init__(self, analysis: Analysis, table: AxisTable, sizes: Mapping[str, int]) -> None:
        self._analysis, self._table = analysis, table
        self._probe = _walked(analysis, sizes)
        buffers = self._buffers()
        steps = len(analysis.nodes) + 1
        rows = list(dict.fromkeys(buffer.rows for buffer in buffers))
        number = {key: index for index, key in enumerate(rows)}
        changes = np.zeros((len(rows), steps + 1))
        for buffer in buffers:
            changes[number[buffer.rows], buffer.start] += buffer.width
            changes[number[buffer.rows], buffer.end + 1] -= buffer.width
        self._rows = rows
        self._live = _undominated(np.cumsum(changes, axis=1)[:, :steps])

    def peak_bytes(self, lengths: Floats) -> Floats:
        """Float64 [candidates] for ``lengths`` [candidates, rows of the table]; tensors of unknown shape count 0."""
        if not self._rows:
            return np.zeros(len(lengths))
        sizes = np.ones((len(lengths), len(self._rows)))
        for index, rows in enumerate(self._rows):
            for row in rows:
                sizes[:, index] *= lengths[:, row]
        return np.asarray((sizes @ self._live).max(axis=1))

    def _buffers(self) -> list[_Buffer]:
        """Step 0 is before the first node; node number n is step n + 1."""
        analysis, last = self._analysis, len(self._analysis.nodes)
        ends: dict[str, int] = {}
        for number, node in enumerate(analysis.nodes):
            ends |= {tensor.name: number + 1 for tensor in (*node.inputs, *node.outputs) if tensor.name}
        lasting = {tensor.name for tensor in (*analysis.graph.inputs, *analysis.graph.outputs)}
        ends |= dict.fromkeys(lasting, last)
        of: dict[str, _Buffer] = {}
        found = []
        for tensor in analysis.graph.inputs:
            of[tensor.name] = self._fresh(tensor.name, 0, last)
            found.append(of[tensor.name])
        for number, node in enumerate(analysis.nodes):
            for tensor in node.outputs:
                if not tensor.name or isinstance(tensor, gs.Constant):
                    continue
                buffer = self._fresh(tensor.name, number + 1, ends[tensor.name])
                shared = _shared(node, number + 1, buffer, of)
                if shared is None:
                    found.append(buffer)
                else:
                    shared.end = max(shared.end, buffer.end)
                of[tensor.name] = shared or buffer
        return found

    def _fresh(self, name: str, start: int, end: int) -> _Buffer:
        shape, kind = self._probe.shapes.get(name), self._probe.dtypes.get(name)
        if shape is None or kind in (None, onnx.TensorProto.UNDEFINED, onnx.TensorProto.STRING):
            return _Buffer(0.0, (), start, end)
        width, rows = stored_bytes(int(kind or 0), (_BYTE,)) / _BYTE, []
        axes = self._analysis.state.tensors.get(name)
        fits = axes is not None and len(axes) == len(shape)
        for axis, size in enumerate(shape):
            row = self._table.add(axes[axis]) if axes is not None and fits else -1
            if row >= 0 and axes is not None:
                width *= size / axes[axis].size  # 1, but where channels are merged with a dimension that is not static
                rows.append(row)
            else:
                width *= size
        return _Buffer(width, tuple(sorted(rows)), start, end)


def _walked(analysis: Analysis, sizes: Mapping[str, int]) -> Probe:
    try:
        return walk(analysis.graph, dict(sizes))
    except onnx.shape_inference.InferenceError as error:
        shown = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise GraphError(
            f"the model does not fit inputs of {shown}", where=str(analysis.graph.name), fix="Give other sizes (--dim)."
        ) from error


def _shared(node: gs.Node, step: int, wanted: _Buffer, of: Mapping[str, _Buffer]) -> _Buffer | None:
    """The buffer that a node's output can be in, of those of its inputs."""
    inputs = [of[tensor.name] for tensor in node.inputs if tensor.name in of]
    if node.op in _VIEWS and inputs:
        return inputs[0]
    if node.op in _IN_PLACE:
        for buffer in inputs:
            if buffer.end == step and buffer.start and (buffer.width, buffer.rows) == (wanted.width, wanted.rows):
                return buffer
    return None


def _undominated(live: Floats) -> Floats:
    """Those columns of [buffers, steps] that some lengths could make the largest: the others are less everywhere."""
    kept: list[Floats] = []
    for column in np.unique(live, axis=1).T[np.argsort(-np.unique(live, axis=1).sum(axis=0))]:
        if not any((other >= column).all() for other in kept):
            kept.append(column)
    return np.stack(kept, axis=1) if kept else np.zeros((len(live), 1))
