"""The graph an exporter traced, made presentable without folding a single parameter away.

What depends on parameters stays computed from them (a transposed weight is the weight and a Transpose node),
so that every parameter keeps its own name, shape and values. Everything else that is constant is folded.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

import numpy as np
import onnx_ir
from onnx_ir.passes import common
from onnxscript import optimizer
from torch import nn

from compressor.graph_extras import CONSTANTS_KEY

_STACK_TRACE = "pkg.torch.onnx.stack_trace"
_NO_LIMIT = 2**31  # the folder's own limits leave parts of shape arithmetic in the graph
_SHAPES = ("Shape", "Size")
_TRAINING_MODE = "dropout_training_mode"


def state_names(module: nn.Module) -> dict[str, str]:
    """Every name of a parameter or buffer -> the first name of the same tensor: tied ones have one name."""
    tensors = [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]
    order = {name: position for position, name in enumerate(module.state_dict())}
    tensors.sort(key=lambda item: order.get(item[0], len(order)))
    first: dict[int | tuple[object, ...], str] = {}
    names = {}
    for name, tensor in tensors:
        same = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride()) if tensor.numel() else id(tensor)
        names[name] = first.setdefault(same, name)
    return names


def make_training_form(model: onnx_ir.Model, names: Mapping[str, str], parameters: Collection[str]) -> None:
    """Change ``model``, as an exporter traced it, in place.

    Args:
        names: of the module's parameters and buffers, from ``state_names``.
        parameters: those of them that are parameters.
    """
    _separate_equal_parameters(model.graph, names)
    _join_tied_parameters(model.graph, names)
    fold_constants(model, frozenset(names))
    _switch_dropout_off(model.graph)
    _drop_zero_biases(model.graph, names)
    common.RemoveUnusedNodesPass()(model)
    # Dynamo writes source lines with the absolute paths of this machine into every node.
    for part in (model.graph, *model.functions.values()):
        for node in part:
            node.metadata_props.pop(_STACK_TRACE, None)
    model.metadata_props[CONSTANTS_KEY] = json.dumps(_constants(model.graph, parameters))


def _constants(graph: onnx_ir.Graph, parameters: Collection[str]) -> list[str]:
    """Buffers, tables and ratios: who trains the file could not tell them from parameters by their looks."""
    return [
        name
        for name, value in graph.initializers.items()
        if value.dtype is not None and value.dtype.is_floating_point() and name not in parameters
    ]


def fold_constants(model: onnx_ir.Model, keep: frozenset[str]) -> None:
    """Fold what is constant, except what is computed from the values of an initializer in ``keep``."""

    def should_fold(node: onnx_ir.Node) -> bool | None:
        if node.op_type == "Dropout":  # of a constant: a mask of ones
            return False
        if node.op_type in _SHAPES:
            return None
        return False if any(value is not None and value.name in keep for value in node.inputs) else None

    optimizer.fold_constants(
        model, onnx_shape_inference=True, input_size_limit=_NO_LIMIT, output_size_limit=_NO_LIMIT,
        should_fold=should_fold,
    )  # fmt: skip
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    common.IdentityEliminationPass()(model)
    common.RemoveUnusedNodesPass()(model)


def _separate_equal_parameters(graph: onnx_ir.Graph, names: Mapping[str, str]) -> None:
    """TorchScript stores equal values once, even a variance of ones and a scale of ones, and aliases the others.

    Training moves them apart, so each gets its own initializer back. Those that the module ties stay one.
    """
    for node in list(graph):
        source = node.inputs[0] if node.op_type == "Identity" else None
        result = node.outputs[0]
        name = result.name or ""
        if source is None or not source.is_initializer() or name not in names or result.is_graph_output():
            continue
        if names[name] == names.get(source.name or ""):
            replacement = source
        else:
            result.name = None
            replacement = onnx_ir.Value(name=name, shape=source.shape, type=source.type, const_value=source.const_value)
            graph.register_initializer(replacement)
        result.replace_all_uses_with(replacement)
        graph.remove(node, safe=True)


def _join_tied_parameters(graph: onnx_ir.Graph, names: Mapping[str, str]) -> None:
    """Each exporter picks another name for a tied tensor: it gets the first one of the state dict."""
    for name, value in list(graph.initializers.items()):
        canonical = names.get(name, name)
        if canonical == name:
            continue
        if canonical in graph.initializers:
            value.replace_all_uses_with(graph.initializers[canonical])
            del graph.initializers[name]
        else:
            value.name = canonical


def _switch_dropout_off(graph: onnx_ir.Graph) -> None:
    """Every Dropout keeps its ratio and does nothing until somebody trains."""
    dropouts = [node for node in graph if node.op_type == "Dropout"]
    if not dropouts:
        return
    off = onnx_ir.Value(
        name=_TRAINING_MODE, shape=onnx_ir.Shape([]), type=onnx_ir.TensorType(onnx_ir.DataType.BOOL),
        const_value=onnx_ir.tensor(np.array(False), name=_TRAINING_MODE),
    )  # fmt: skip
    graph.register_initializer(off)
    for node in dropouts:
        node.resize_inputs(3)
        node.replace_input_with(2, off)
        if len(node.outputs) > 1 and not node.outputs[1].uses():
            node.resize_outputs(1)


def _drop_zero_biases(graph: onnx_ir.Graph, names: Mapping[str, str]) -> None:
    """Dynamo gives a convolution without bias one of zeros, which no state dict knows and training would move."""
    for node in graph:
        bias = node.inputs[2] if node.op_type in ("Conv", "ConvTranspose") and len(node.inputs) > 2 else None
        if bias is None or bias.name in names or bias.const_value is None:
            continue
        if not bias.const_value.numpy().any():
            node.resize_inputs(2)
