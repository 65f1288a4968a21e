"""Is this ModelProto an ONNX model that this installation understands? Structure only; weights are not looked at."""

from __future__ import annotations

import onnx
from onnx import checker, defs

from compressor.errors import ModelFileError
from compressor.graph_import import default_opset

OLDEST_OPSET = 9
_KIND = onnx.AttributeProto


def check_model(model: onnx.ModelProto, where: str) -> None:
    """Raise ModelFileError unless `model` has a supported opset and passes onnx.checker.

    The checker sees initializers without their values; compressor.tensor_values checks those.
    """
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise ModelFileError("the file holds no graph", where=where, fix="Give the path of an ONNX model.")
    _check_versions(model, where)
    try:
        checker.check_model(_without_weights(model))
    except (checker.ValidationError, ValueError, UnicodeDecodeError) as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise ModelFileError(
            f"not a valid ONNX model: {reason}", where=where, fix="Export it again; onnx.checker gives the details."
        ) from error


def _check_versions(model: onnx.ModelProto, where: str) -> None:
    opset, newest = default_opset(model), int(defs.onnx_opset_version())
    if model.ir_version > onnx.IR_VERSION:
        raise ModelFileError(
            f"IR version {model.ir_version} is newer than the installed onnx knows ({onnx.IR_VERSION})",
            where=where,
            fix="Update the onnx package (pip install -U onnx), or export the model with an older one.",
        )
    if opset is not None and opset > newest:
        raise ModelFileError(
            f"opset {opset} is newer than the installed onnx knows ({newest})",
            where=where,
            fix=f"Update the onnx package (pip install -U onnx), or export the model with opset {newest} or lower.",
        )
    if opset is not None and opset < OLDEST_OPSET:
        raise ModelFileError(
            f"opset {opset} is older than the oldest supported, {OLDEST_OPSET}",
            where=where,
            fix="Export the model with a newer opset, or convert it with onnx.version_converter.",
        )


def _without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which initializers of the main graph, and all external tensors, are empty ones of the same type."""
    light = onnx.ModelProto(ir_version=model.ir_version)
    light.opset_import.extend(model.opset_import)
    light.functions.extend(model.functions)
    graph, kept = model.graph, light.graph
    kept.name = graph.name
    kept.node.extend(graph.node)
    kept.input.extend(graph.input)
    kept.output.extend(graph.output)
    kept.value_info.extend(graph.value_info)
    kept.sparse_initializer.extend(graph.sparse_initializer)
    for tensor in graph.initializer:
        kept.initializer.add(name=tensor.name, data_type=tensor.data_type, dims=[0])
    for info in (*kept.input, *kept.output):  # runtimes accept an unknown rank, the checker does not
        if info.type.HasField("tensor_type"):
            info.type.tensor_type.shape.SetInParent()
    for node in (*kept.node, *(node for function in light.functions for node in function.node)):
        _empty_external(node)
    return light


def _empty_external(node: onnx.NodeProto) -> None:
    """The checker looks for external files itself, in the wrong folder."""
    for item in node.attribute:
        if item.type in (_KIND.TENSOR, _KIND.TENSORS):
            for tensor in (item.t, *item.tensors):
                _empty_if_external(tensor)
        elif item.type in (_KIND.GRAPH, _KIND.GRAPHS):
            for graph in (item.g, *item.graphs):
                for tensor in graph.initializer:
                    _empty_if_external(tensor)
                for inner in graph.node:
                    _empty_external(inner)


def _empty_if_external(tensor: onnx.TensorProto) -> None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        kept = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=[0])
        tensor.CopyFrom(kept)
