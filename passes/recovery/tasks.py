"""What of a pruned graph is to be solved for: layers and batch normalisations whose input or sum changed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import onnx_graphsurgeon as gs

from compressor.passes.analysis import Analysis
from compressor.passes.nested import all_graphs, all_nodes
from compressor.passes.recovery.batch_norm import is_stored_norm
from compressor.passes.recovery.constant import added_constant
from compressor.passes.recovery.conv_layer import ConvLayer
from compressor.passes.recovery.fold import ChannelFold
from compressor.passes.recovery.layer import Layer
from compressor.passes.recovery.layers import find_layers
from compressor.passes.recovery.order import Residual, residual_of
from compressor.passes.recovery.perturbed import perturbed_tensors
from compressor.passes.rewrite_rules import Removal
from compressor.tensor_values import peek


@dataclass(frozen=True)
class Task:
    """A layer, a batch normalisation or what stands in for a branch, to be solved for.

    Attributes:
        input, output, original_input: names of what it reads and gives, in both graphs.
        added: an addition with a constant, and the constant's slot.
    """

    input: str
    output: str
    original_input: str
    layer: Layer | None
    norm: gs.Node | None
    residual: Residual | None
    fold: ChannelFold | None = field(default=None, compare=False)
    added: tuple[gs.Node, int] | None = None


def find_tasks(graph: gs.Graph, analysis: Analysis, removal: Removal, widest: int) -> tuple[list[Task], dict[str, str]]:
    """What can be solved for, in the order of the graph, and why the rest cannot."""
    perturbed = perturbed_tensors(analysis, removal)
    readers: dict[str, list[gs.Node]] = {}
    for node in all_nodes(graph):
        for tensor in node.inputs:
            readers.setdefault(tensor.name, []).append(node)
    results = {tensor.name for part in all_graphs(graph) for tensor in part.outputs}
    originals = {tensor.name: node for node in analysis.graph.nodes for tensor in node.outputs}
    layers, refused = find_layers(graph)
    skipped = {name: why for name, why in refused.items() if name in perturbed}
    tasks: dict[str, Task] = {}
    for layer in layers:
        old = originals.get(str(layer.node.outputs[0].name))
        residual = residual_of(layer.output, readers, results)
        if residual is not None and not _same_size(analysis, layer.output, residual):
            residual = None
        touched = layer.output in perturbed or (residual is not None and residual.other in perturbed)
        if touched and old is not None and layer.output in removal.state.tensors:
            fold = _fold(layer, old, analysis, removal, widest)
            source = str(old.inputs[layer.slot].name)
            tasks[layer.output] = Task(layer.input, layer.output, source, layer, None, residual, fold)
    solved = {tensor for task in tasks.values() if task.layer and task.layer.bias for tensor in [task.output]}
    for node in graph.nodes:
        name = node.outputs[0].name if node.outputs else ""
        if is_stored_norm(node) and node.inputs[0].name in perturbed - solved and name in originals:
            source = str(originals[name].inputs[0].name)
            tasks[name] = Task(node.inputs[0].name, name, source, None, node, None)
        slot = added_constant(node, originals[name]) if name in perturbed & originals.keys() else None
        if slot is not None and _same_as(analysis, other := str(node.inputs[1 - slot].name), name):
            tasks[name] = Task(other, name, other, None, None, None, added=(node, slot))
    order = {tensor.name: number for number, node in enumerate(graph.nodes) for tensor in node.outputs}
    return sorted(tasks.values(), key=lambda task: order[task.output]), skipped


def _same_as(analysis: Analysis, one: str, other: str) -> bool:
    shapes = analysis.probes[0].shapes
    return one in shapes and shapes[one] == shapes.get(other)


def _same_size(analysis: Analysis, output: str, residual: Residual) -> bool:
    shapes = analysis.probes[0].shapes
    total, other = shapes.get(residual.total), shapes.get(residual.other)
    if output not in shapes or total is None or total != other:
        return False
    plain = shapes[output] == total
    return plain if residual.norm is not None else math.prod(shapes[output]) == math.prod(total)


def _fold(layer: Layer, old: gs.Node, analysis: Analysis, removal: Removal, widest: int) -> ChannelFold | None:
    """Folding by channels, for a convolution that is too wide to be solved for as a whole."""
    if not isinstance(layer, ConvLayer) or layer.groups != 1 or layer.shape[1] <= widest:
        return None
    out_axis = 1 if layer.transposed else 0
    weight = np.asarray(peek(old.inputs[1]), np.float64)
    (outputs,) = (removal.tensor_masks(old.outputs[0].name)[1:2]) or (None,)
    (inputs,) = (removal.tensor_masks(old.inputs[0].name)[1:2]) or (None,)
    if outputs is not None:
        weight = np.compress(outputs, weight, axis=out_axis)
    kept = np.ones(weight.shape[1 - out_axis], np.bool_) if inputs is None else inputs
    narrow = int(kept.sum()) == layer.weight.shape[1 - out_axis] <= widest
    return ChannelFold(weight, 1 - out_axis, kept) if narrow else None
