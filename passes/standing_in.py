"""Constants put where branches stood whose channels have all gone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_graphsurgeon as gs

from compressor.graph_edit import replace_input
from compressor.passes.analysis import Analysis
from compressor.passes.branches import ENDS
from compressor.passes.nested import all_nodes
from compressor.passes.recovery.batch_norm import affine, is_stored_norm
from compressor.passes.rewrite_rules import NameMaker, Removal
from compressor.passes.shape_values import Array
from compressor.tensor_values import peek

_NUMPY = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}


def put_constants(
    analysis: Analysis, graph: gs.Graph, copies: Sequence[gs.Node], ends: Sequence[int], removal: Removal,
    names: NameMaker,
) -> None:  # fmt: skip
    """Replace what the nodes ``ends`` give by what they give when they read nothing, in place.

    Args:
        analysis: of the graph with all its channels.
        graph: the copy, sliced; what nothing reads any more stays for others to drop.
        copies: its nodes, by number.
        ends: numbers, as ``Branches.ends`` gives them.
        removal: of channels that the nodes make.
        names: that are free.
    """
    readers: dict[str, list[gs.Node]] = {}
    for node in all_nodes(graph):
        for tensor in node.inputs:
            readers.setdefault(tensor.name, []).append(node)
    todo = [(copies[end].outputs[0], _response(analysis, end, removal)) for end in ends]
    while todo:
        tensor, values = todo.pop()
        constant = gs.Constant(names.new(tensor.name), values)
        for node in readers.get(tensor.name, ()):
            for slot in [slot for slot, given in enumerate(node.inputs) if given is tensor]:
                replace_input(node, slot, constant)
            if all(isinstance(given, gs.Constant) for given in node.inputs) and (found := _computed(node)) is not None:
                todo.append((node.outputs[0], found))


def _computed(node: gs.Node) -> Array | None:
    """What a node gives for constants; None for ops that runtimes may compute in their own ways."""
    values = [peek(tensor) for tensor in node.inputs]
    if node.op in _NUMPY:
        return np.asarray(_NUMPY[node.op](*values))
    if is_stored_norm(node):  # in training it would take a constant for its own mean
        gain, shift = affine(node)
        shape = (-1, *(1 for _ in values[0].shape[2:]))
        return np.asarray(values[0] * gain.reshape(shape) + shift.reshape(shape), values[0].dtype)
    return None


def _response(analysis: Analysis, number: int, removal: Removal) -> Array:
    """What a node gives for no channels: its bias, of the output's rank, sizes of 1 but for the channels."""
    node = analysis.nodes[number]
    result, slot = node.outputs[0].name, ENDS[node.op]
    one, two = (probe.shapes[result] for probe in analysis.probes)
    axis = 1 if "Conv" in node.op else len(one) - 1
    dtype = next(t.dtype for t in node.inputs if t.dtype is not None)
    if slot is None or len(node.inputs) <= slot or not node.inputs[slot].name:
        known = one[axis] == two[axis]  # scores of queries by keys have no channels
        values: Array = np.zeros(one[axis] if known else 1, dtype)
    else:
        beta = float(node.attrs.get("beta", 1.0)) if node.op == "Gemm" else 1.0
        bias = peek(node.inputs[slot])
        values = np.broadcast_to((beta * bias.reshape(-1)).astype(bias.dtype), (one[axis],))
    mask = removal.tensor_masks(result)[axis]
    if mask is not None and values.size == mask.size:
        values = values[mask]
    return np.ascontiguousarray(values).reshape([-1 if each == axis else 1 for each in range(len(one))])
