"""The training form folded for inference: no dropout, batch norms inside convolutions, weights as they are used.

Names stay those of the state dict: a folded weight keeps its name, the bias it gains is called like the batch
norm's, and what was computed from parameters is called like the first of them that nothing else uses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import onnx_ir
from numpy.typing import NDArray
from onnx_ir.passes import common

from compressor.graph_extras import CONSTANTS_KEY
from compressor.models.training_form import fold_constants

_FOLDED_INTO = ("Conv", "ConvTranspose", "Gemm")
_DEFAULT_EPSILON = 1e-5


def make_deploy_form(model: onnx_ir.Model, names: Collection[str]) -> None:
    """Change ``model``, in training form, in place.

    Args:
        names: of the module's parameters and buffers.
    """
    graph = model.graph
    _drop_dropouts(graph)
    common.CommonSubexpressionEliminationPass()(model)  # a weight transposed at each of two calls is one
    for node in list(graph):
        if node.op_type == "BatchNormalization":
            _fold_batchnorm(graph, node)
    computed = _computed_from(graph, names)
    kept = frozenset(name for name in names if _is_used_as_it_is(graph, name, computed))
    fold_constants(model, kept)
    _name_folded(graph, computed, names)
    common.RemoveUnusedNodesPass()(model)
    model.metadata_props.pop(CONSTANTS_KEY, None)


def _drop_dropouts(graph: onnx_ir.Graph) -> None:
    """A mask of ones, from dropout of whole channels, goes with the Mul that applies it."""
    from_data = _from_data(graph)
    for node in list(graph):
        if node.op_type != "Dropout" or node.inputs[0] is None:
            continue
        result = node.outputs[0]
        if node.inputs[0] not in from_data:
            for user in [use.node for use in result.uses() if use.node.op_type == "Mul"]:
                _bypass(graph, user, next(value for value in user.inputs if value is not result))
        _bypass(graph, node, node.inputs[0])


def _bypass(graph: onnx_ir.Graph, node: onnx_ir.Node, source: onnx_ir.Value | None) -> None:
    """Readers of ``node`` read ``source`` instead; as an output of the graph it becomes an Identity."""
    if source is None:
        return
    result = node.outputs[0]
    if result.is_graph_output():
        identity = onnx_ir.Node("", "Identity", [source], num_outputs=1)
        name, identity.outputs[0].shape, identity.outputs[0].type = result.name, result.shape, result.type
        graph.insert_after(node, identity)
        result.replace_all_uses_with(identity.outputs[0], replace_graph_outputs=True)
        result.name, identity.outputs[0].name = None, name
    else:
        result.replace_all_uses_with(source)
    graph.remove(node, safe=True)


def _from_data(graph: onnx_ir.Graph) -> set[onnx_ir.Value]:
    """Values that depend on what is in the inputs, not only on their shapes."""
    found = set(graph.inputs)
    for node in graph:
        reads = any(value in found for value in node.inputs if value is not None) or _has_body(node)
        if node.op_type != "Shape" and reads:
            found.update(node.outputs)
    return found


def _has_body(node: onnx_ir.Node) -> bool:
    """If, Loop and Scan read more than their inputs."""
    return any(attribute.type == onnx_ir.AttributeType.GRAPH for attribute in node.attributes.values())


def _fold_batchnorm(graph: onnx_ir.Graph, norm: onnx_ir.Node) -> None:
    """Scale the weights of the layer before, where it and its parameters serve this batch norm alone."""
    layer = norm.inputs[0].producer() if norm.inputs[0] is not None else None
    if layer is None or layer.op_type not in _FOLDED_INTO:
        return
    result = layer.outputs[0]
    parameters = [value for value in layer.inputs[1:3] if value is not None]
    constants = [value.const_value for value in (*parameters, *norm.inputs[1:5]) if value is not None]
    alone = len(result.uses()) == 1 and not result.is_graph_output()
    alone = alone and all(value.is_initializer() and len(value.uses()) == 1 for value in parameters)
    if not alone or None in constants or _scales_its_bias(layer):
        return
    gamma, beta, mean, variance = (_float64(value) for value in norm.inputs[1:5])
    epsilon = norm.attributes["epsilon"].as_float() if "epsilon" in norm.attributes else _DEFAULT_EPSILON
    scale = gamma / np.sqrt(variance + epsilon)
    weight = parameters[0]
    bias = parameters[1] if len(parameters) > 1 else norm.inputs[2]
    if bias is None:
        return
    shift = beta - mean * scale + (_float64(bias) * scale if len(parameters) > 1 else 0)
    _set(weight, _scaled(_float64(weight), scale, layer))
    if len(parameters) > 1:
        _set(bias, np.broadcast_to(shift, scale.shape))
    else:
        own = bias if len(bias.uses()) == 1 else _another(graph, bias, f"{weight.name}_bias")
        _set(own, shift)
        layer.resize_inputs(3)
        layer.replace_input_with(2, own)
    _bypass_to_layer(graph, norm, result)


def _bypass_to_layer(graph: onnx_ir.Graph, norm: onnx_ir.Node, result: onnx_ir.Value) -> None:
    after = norm.outputs[0]
    if after.is_graph_output():
        name, after.name = after.name, None
        result.name = name
    after.replace_all_uses_with(result, replace_graph_outputs=True)
    graph.remove(norm, safe=True)


def _scales_its_bias(layer: onnx_ir.Node) -> bool:
    return any(key in layer.attributes and layer.attributes[key].as_float() != 1 for key in ("alpha", "beta"))


def _scaled(weight: NDArray[np.float64], scale: NDArray[np.float64], layer: onnx_ir.Node) -> NDArray[np.float64]:
    def attribute(name: str, default: int) -> int:
        return layer.attributes[name].as_int() if name in layer.attributes else default

    if layer.op_type == "ConvTranspose":  # [in, out / group, ...]; outputs of group g come from inputs of group g
        groups = attribute("group", 1)
        split = weight.reshape(groups, -1, *weight.shape[1:])
        factors = scale.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))
        return (split * factors).reshape(weight.shape)
    outputs_last = layer.op_type == "Gemm" and not attribute("transB", 0)
    return weight * (scale if outputs_last else scale.reshape(-1, *[1] * (weight.ndim - 1)))


def _float64(value: onnx_ir.Value | None) -> NDArray[np.float64]:
    if value is None or value.const_value is None:
        raise ValueError("a parameter of a batch norm is not constant")
    return value.const_value.numpy().astype(np.float64)


def _set(value: onnx_ir.Value, array: NDArray[np.float64]) -> None:
    """New values in the initializer's own type."""
    old = value.const_value
    if old is not None:
        value.const_value = onnx_ir.tensor(array.astype(old.numpy().dtype), dtype=old.dtype, name=value.name)
        value.shape = onnx_ir.Shape(array.shape)


def _another(graph: onnx_ir.Graph, like: onnx_ir.Value, name: str) -> onnx_ir.Value:
    value = onnx_ir.Value(name=name, shape=like.shape, type=like.type, const_value=like.const_value)
    graph.register_initializer(value)
    return value


def _computed_from(graph: onnx_ir.Graph, names: Collection[str]) -> dict[onnx_ir.Value, list[str]]:
    """Values computed from parameters and constants alone -> the parameters, in order of use."""
    found: dict[onnx_ir.Value, list[str]] = {}
    constant = set(graph.initializers.values())
    for node in graph:
        inputs = [value for value in node.inputs if value is not None]
        if not inputs or any(value not in constant for value in inputs):
            continue
        if node.op_type == "Shape" or _has_body(node):
            continue
        constant.update(node.outputs)
        sources = [source for value in inputs for source in found.get(value, _itself(value, names))]
        if sources:
            found.update((output, list(dict.fromkeys(sources))) for output in node.outputs)
    return found


def _itself(value: onnx_ir.Value, names: Collection[str]) -> list[str]:
    return [value.name] if value.name in names and value.name is not None else []


def _is_used_as_it_is(graph: onnx_ir.Graph, name: str, computed: Collection[onnx_ir.Value]) -> bool:
    """Also used by an op on data? Then folding its other use would store the weight twice."""
    value = graph.initializers.get(name)
    return value is not None and any(use.node.outputs[0] not in computed for use in value.uses())


def _name_folded(graph: onnx_ir.Graph, computed: dict[onnx_ir.Value, list[str]], names: Collection[str]) -> None:
    taken = {value.name for value in _used(graph)}
    sources = {value.name: found for value, found in computed.items()}
    for value in list(_used(graph)):
        free = [name for name in sources.get(value.name, []) if name not in taken]
        if value.name in names or not free:
            continue
        graph.initializers.pop(free[0], None)  # nothing uses the parameter itself any more
        value.name = free[0]
        taken.add(free[0])


def _used(graph: onnx_ir.Graph) -> Iterator[onnx_ir.Value]:
    return (value for value in graph.initializers.values() if value.uses() or value.is_graph_output())
