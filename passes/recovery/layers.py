"""Layers that are a matrix product with a stored weight, each seen as ``rows @ weight + bias``.

Conv, ConvTranspose (1-D to 3-D, grouped), Gemm, and MatMul with a stored matrix on either side. A layer that has no
bias gets one where the op has a place for it (Conv, ConvTranspose, Gemm); a MatMul has one where only an addition of a
stored vector reads it. Otherwise its weights alone are solved for, without a constant term.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import onnx_graphsurgeon as gs

from compressor.passes.nested import all_graphs, all_nodes, tensor_names
from compressor.passes.recovery.conv_layer import ConvLayer
from compressor.passes.recovery.layer import Bias, Layer
from compressor.passes.recovery.matrix_layer import MatrixLayer


def find_layers(graph: gs.Graph) -> tuple[list[Layer], dict[str, str]]:
    """Layers of the main graph in its order, and why others cannot be solved for: output -> reason."""
    uses = Counter(tensor.name for node in all_nodes(graph) for tensor in node.inputs)
    results = {tensor.name for part in all_graphs(graph) for tensor in part.outputs}
    uses.update(results)
    for name in tensor_names(graph):
        uses.setdefault(name, 0)  # a name that is taken
    readers = {tensor.name: node for node in graph.nodes for tensor in node.inputs}
    found: list[Layer] = []
    refused: dict[str, str] = {}
    fixed: set[str] = set()  # computed from stored values alone
    for node in graph.nodes:
        held = [isinstance(tensor, gs.Constant) or tensor.name in fixed for tensor in node.inputs if tensor.name]
        if all(held):
            fixed.update(tensor.name for tensor in node.outputs)
        if node.domain not in ("", "ai.onnx", None) or node.op not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            continue
        if node.op == "MatMul" and not any(held):
            continue  # two activations: no layer
        layer = _layer(node, readers, uses)
        if isinstance(layer, str):
            refused[node.outputs[0].name] = layer
        elif uses[layer.weight.name] > 1:
            refused[node.outputs[0].name] = "its weight is used in several places"
        else:
            found.append(layer)
    return found, refused


def _layer(node: gs.Node, readers: Mapping[str, gs.Node], uses: Counter[str]) -> Layer | str:
    """The layer, or why it is none that can be solved for."""
    slot = 0 if node.op == "MatMul" and isinstance(node.inputs[0], gs.Constant) else 1
    weight, output = node.inputs[slot], node.outputs[0].name
    if not isinstance(weight, gs.Constant):
        return "its weight is computed, not stored"
    if isinstance(node.inputs[1 - slot], gs.Constant):
        return "both operands are stored"
    if np.dtype(weight.dtype).kind in "iub":
        return "its weight is quantised"
    if node.op != "MatMul" and len(node.inputs) > 2 and isinstance(node.inputs[2], gs.Variable) and node.inputs[2].name:
        return "its bias is computed, not stored"
    if node.op in ("Conv", "ConvTranspose"):
        return ConvLayer(node, weight, output, _third_input(node), uses)
    if len(weight.shape) != 2:
        return f"its weight has {len(weight.shape)} axes"
    if node.op == "Gemm":
        return _gemm(node, weight, uses)
    add = readers.get(output)
    if slot == 1 and add is not None and add.op == "Add" and uses[output] == 1:
        place = 1 if add.inputs[0].name == output else 0
        vector = add.inputs[place]
        if isinstance(vector, gs.Constant) and len(vector.shape) and _is_vector(vector, int(weight.shape[1])):
            return MatrixLayer(node, weight, add.outputs[0].name, Bias(add, place, vector), uses)
    return MatrixLayer(node, weight, output, None, uses)


def _gemm(node: gs.Node, weight: gs.Constant, uses: Counter[str]) -> Layer | str:
    if float(node.attrs.get("alpha", 1.0)) == 0:
        return "its alpha is 0"
    bias = _third_input(node)
    bias.scale = float(node.attrs.get("beta", 1.0))
    if bias.tensor is not None and not _is_vector(bias.tensor, int(weight.shape[0 if _transposed(node) else 1])):
        return "its C is no vector"
    return MatrixLayer(node, weight, node.outputs[0].name, bias, uses)


def _transposed(node: gs.Node) -> bool:
    return bool(node.attrs.get("transB", 0))


def _third_input(node: gs.Node) -> Bias:
    there = len(node.inputs) > 2 and isinstance(node.inputs[2], gs.Constant)
    return Bias(node, 2, node.inputs[2] if there else None)


def _is_vector(tensor: gs.Constant, width: int) -> bool:
    """One number for each output (or one for all), along the last axis."""
    shape = tuple(tensor.shape)
    return all(size == 1 for size in shape[:-1]) and (not shape or shape[-1] in (1, width))
