"""One number for what a graph computes, to tell whether a plan was made for it."""

from __future__ import annotations

import hashlib
from typing import Any

import onnx

from compressor.graph_export import element_type, export_model
from compressor.tensor_bytes import raw_bytes
from compressor.tensor_values import from_message, release

_KIND = onnx.AttributeProto


def digest(graph: Any) -> str:
    """`sha256:<hex>` of operators, attributes, connections, tensor names, values, inputs, outputs and opsets.

    Node names, doc strings, metadata, producer, IR version, inferred shapes and the way weights are stored
    (inside or beside the file, raw or typed) do not count.
    """
    model, constants = export_model(graph)
    hasher = hashlib.sha256()
    _add(hasher, sorted((entry.domain, entry.version) for entry in model.opset_import))
    _add_graph(hasher, model.graph)
    for constant in sorted(constants, key=lambda constant: str(constant.name)):
        _add(hasher, (constant.name, element_type(constant), [int(size) for size in constant.shape]))
        hasher.update(raw_bytes(constant))
        release(constant._values)
    for function in model.functions:
        _add(hasher, ("function", function.domain, function.name, function.overload))
        _add(hasher, (list(function.input), list(function.output), sorted(function.attribute)))
        _add_attributes(hasher, function.attribute_proto)
        _add_nodes(hasher, function.node)
    return f"sha256:{hasher.hexdigest()}"


def _add(hasher: Any, item: object) -> None:
    hasher.update(repr(item).encode("utf-8", "surrogatepass") + b"\n")


def _add_graph(hasher: Any, graph: onnx.GraphProto) -> None:
    for role, infos in (("input", graph.input), ("output", graph.output)):
        for info in infos:
            _add(hasher, (role, info.name))
            hasher.update(info.type.SerializeToString(deterministic=True))
    for tensor in sorted(graph.initializer, key=lambda tensor: tensor.name):
        _add_tensor(hasher, tensor)
    _add_nodes(hasher, graph.node)


def _add_nodes(hasher: Any, nodes: Any) -> None:
    for node in nodes:
        domain = "" if node.domain == "ai.onnx" else node.domain
        _add(hasher, (domain, node.op_type, node.overload, list(node.input), list(node.output)))
        _add_attributes(hasher, node.attribute)


def _add_attributes(hasher: Any, attributes: Any) -> None:
    for item in sorted(attributes, key=lambda item: item.name):
        _add(hasher, (item.name, item.type, item.ref_attr_name))
        for tensor in [item.t] if item.type == _KIND.TENSOR else item.tensors:
            _add_tensor(hasher, tensor)
        for graph in [item.g] if item.type == _KIND.GRAPH else item.graphs:
            _add_graph(hasher, graph)
        if item.type not in (_KIND.TENSOR, _KIND.TENSORS, _KIND.GRAPH, _KIND.GRAPHS):
            plain = onnx.AttributeProto()
            plain.CopyFrom(item)
            plain.ClearField("doc_string")
            hasher.update(plain.SerializeToString(deterministic=True))


def _add_tensor(hasher: Any, tensor: onnx.TensorProto) -> None:
    _add(hasher, (tensor.name, tensor.data_type, list(tensor.dims)))
    hasher.update(b"\0".join(tensor.string_data) or from_message(tensor, "digest").raw())
