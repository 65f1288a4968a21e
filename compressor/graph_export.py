"""onnx_graphsurgeon.Graph -> onnx.ModelProto, with what graphsurgeon has no place for put back.

The initializers of the main graph are not put in here: the caller (compressor.model_io, compressor.model_writer)
adds them, in the message, in the file, or beside it.
"""

from __future__ import annotations

from typing import Any

import onnx
import onnx_graphsurgeon as gs
from onnx import helper, numpy_helper

from compressor import graph_extras
from compressor.graph_extras import GraphExtras
from compressor.graph_import import EmptyList
from compressor.tensor_values import MessageValues, TensorValues, onnx_type

_KIND = onnx.AttributeProto
_DEFAULT_CUSTOM_OPSET = 1


def export_model(graph: Any) -> tuple[onnx.ModelProto, list[Any]]:
    """The model without the main graph's initializers, and those as gs.Constants in the order to write them."""
    extras: GraphExtras = graph_extras.of(graph) or GraphExtras()
    model = onnx.ModelProto(ir_version=graph.ir_version or onnx.IR_VERSION)
    model.opset_import.extend(_opset_imports(graph))
    if graph.producer_name:
        model.producer_name = graph.producer_name
    if graph.producer_version:
        model.producer_version = graph.producer_version
    model.MergeFrom(extras.model)
    exporter = _Exporter()
    constants = exporter.fill(model.graph, graph, main=True)
    return model, constants


def tensor_header(constant: Any) -> onnx.TensorProto:
    """Name, type, shape, doc string and metadata of a gs.Constant, without its values."""
    dims = [int(size) for size in constant.shape]
    header = onnx.TensorProto(name=constant.name, data_type=element_type(constant), dims=dims)
    _add_tensor_extras(header, constant)
    return header


def tensor_message(constant: Any) -> onnx.TensorProto:
    """A gs.Constant with its values as a TensorProto, bit for bit as it was read if nobody touched it."""
    values = constant._values
    if isinstance(values, MessageValues):
        message = onnx.TensorProto()
        message.CopyFrom(values.tensor)
        for name in ("doc_string", "metadata_props"):
            message.ClearField(name)
    elif isinstance(values, TensorValues):
        message = onnx.TensorProto(data_type=values.data_type, dims=values.shape, raw_data=bytes(values.raw()))
    else:
        message = numpy_helper.from_array(constant.values)
    if constant.name:
        message.name = constant.name
    _add_tensor_extras(message, constant)
    return message


def element_type(constant: Any) -> int:
    """The ONNX element type of a gs.Constant."""
    values = constant._values
    return values.data_type if isinstance(values, TensorValues) else onnx_type(constant.dtype)


def _add_tensor_extras(message: onnx.TensorProto, tensor: Any) -> None:
    extras = graph_extras.of(tensor)
    if extras is not None and extras.tensor is not None:
        message.MergeFrom(extras.tensor)


def _opset_imports(graph: Any) -> list[onnx.OperatorSetIdProto]:
    """The imports the graph came with, the standard one at graph.opset, and one for each new domain."""
    imports = {}
    for entry in graph.import_domains or []:
        imports[entry.domain] = onnx.OperatorSetIdProto()
        imports[entry.domain].CopyFrom(entry)
    if graph.opset is not None:
        standard = "ai.onnx" if "ai.onnx" in imports else ""
        imports.setdefault(standard, onnx.OperatorSetIdProto()).version = graph.opset
    for node in graph.nodes:
        if node.domain and node.domain not in imports:
            imports[node.domain] = helper.make_opsetid(node.domain, _DEFAULT_CUSTOM_OPSET)
    return list(imports.values())


class _Exporter:
    """Fills GraphProtos; knows which initializers the enclosing graphs declare."""

    def __init__(self) -> None:
        self._undeclared: dict[str, Any] = {}  # constants met in a subgraph that no graph declares: main graph's

    def fill(self, proto: onnx.GraphProto, graph: Any, main: bool) -> list[Any]:
        """Fill `proto` from `graph`, except for its initializers, which are returned in their order."""
        extras: GraphExtras = graph_extras.of(graph) or GraphExtras()
        proto.MergeFrom(extras.remainder)
        proto.name = graph.name
        if graph.doc_string:
            proto.doc_string = graph.doc_string
        used: dict[str, Any] = {}
        described: dict[str, Any] = {}
        for node in graph.nodes:
            self._add_node(proto, node)
            used.update((tensor.name, tensor) for tensor in node.inputs if isinstance(tensor, gs.Constant))
            described.update((tensor.name, tensor) for tensor in node.outputs)
        used.update((tensor.name, tensor) for tensor in graph.outputs if isinstance(tensor, gs.Constant))
        own, order = self._own(used, extras, main), extras.initializer_order
        own.sort(key=lambda constant: order.get(constant.name, len(order)))
        for constant in own:
            kept = graph_extras.of(constant)
            if kept is not None and kept.value_info is not None:
                described[constant.name] = constant
        self._add_descriptions(proto, graph, extras, described, {constant.name for constant in own})
        return own

    def _own(self, used: dict[str, Any], extras: GraphExtras, main: bool) -> list[Any]:
        if main:
            return list({**self._undeclared, **used}.values())
        own = []
        for name, constant in used.items():
            if name in extras.initializer_order:
                own.append(constant)
            else:
                self._undeclared[name] = constant
        for name in extras.initializer_order:
            if name not in used and name in self._undeclared:
                own.append(self._undeclared.pop(name))
        return own

    def _add_node(self, proto: onnx.GraphProto, node: Any) -> None:
        message = proto.node.add(op_type=node.op)
        if node.name:
            message.name = node.name
        if node.domain:
            message.domain = node.domain
        message.input.extend([tensor.name for tensor in node.inputs])
        message.output.extend([tensor.name for tensor in node.outputs])
        for name, value in node.attrs.items():
            self._add_attribute(message, name, value)
        kept = graph_extras.of(node)
        if kept is not None:
            _add_node_extras(message, kept)

    def _add_attribute(self, node: onnx.NodeProto, name: str, value: Any) -> None:
        if type(value) is int:
            node.attribute.add(name=name, type=_KIND.INT, i=value)
        elif isinstance(value, EmptyList) and not value:
            node.attribute.add(name=name, type=value.kind)
        elif isinstance(value, gs.Constant):
            node.attribute.add(name=name, type=_KIND.TENSOR, t=tensor_message(value))
        elif isinstance(value, gs.Graph):
            self._fill_subgraph(node.attribute.add(name=name, type=_KIND.GRAPH).g, value)
        elif isinstance(value, list) and value and isinstance(value[0], gs.Constant):
            tensors = [tensor_message(item) for item in value]
            node.attribute.add(name=name, type=_KIND.TENSORS, tensors=tensors)
        elif isinstance(value, list) and value and isinstance(value[0], gs.Graph):
            message = node.attribute.add(name=name, type=_KIND.GRAPHS)
            for item in value:
                self._fill_subgraph(message.graphs.add(), item)
        else:
            node.attribute.append(helper.make_attribute(name, value))

    def _fill_subgraph(self, proto: onnx.GraphProto, graph: Any) -> None:
        proto.initializer.extend([tensor_message(constant) for constant in self.fill(proto, graph, main=False)])

    def _add_descriptions(
        self, proto: onnx.GraphProto, graph: Any, extras: GraphExtras, described: dict[str, Any], own: set[str]
    ) -> None:
        """Inputs, outputs and value_info."""
        inputs = [_value_info(tensor) for tensor in graph.inputs]
        inputs += [info for name, info in extras.listed_initializers.items() if name in own]
        if extras.input_order:
            last = len(extras.input_order)
            inputs.sort(key=lambda info: extras.input_order.get(info.name, last))
        proto.input.extend(inputs)
        proto.output.extend([_value_info(tensor) for tensor in graph.outputs])
        for tensor in (*graph.inputs, *graph.outputs):
            described.pop(tensor.name, None)
        for name, tensor in described.items():
            info = _value_info(tensor) if name else None
            if info is not None and len(info.ListFields()) > 1:  # more than its name
                proto.value_info.append(info)


def _add_node_extras(message: onnx.NodeProto, kept: onnx.NodeProto) -> None:
    docs = {item.name: item.doc_string for item in kept.attribute}
    if docs:
        for item in message.attribute:
            if item.name in docs:
                item.doc_string = docs[item.name]
        rest = onnx.NodeProto()
        rest.CopyFrom(kept)
        rest.ClearField("attribute")
        kept = rest
    message.MergeFrom(kept)


def _value_info(tensor: Any) -> onnx.ValueInfoProto:
    extras = graph_extras.of(tensor)
    kept = extras.value_info if extras is not None else None
    message = onnx.ValueInfoProto(name=tensor.name)
    if isinstance(tensor, gs.Variable) and tensor.type != "tensor_type":
        if kept is not None:
            message.MergeFrom(kept)
        return message
    if kept is not None:
        message.MergeFrom(kept)
        if kept.HasField("type"):
            if (tensor.dtype, tensor.shape) == extras.imported_type:
                return message
            message.ClearField("type")
    if tensor.dtype is not None:
        data_type = element_type(tensor) if isinstance(tensor, gs.Constant) else onnx_type(tensor.dtype)
        message.type.CopyFrom(helper.make_tensor_type_proto(data_type, tensor.shape))
    return message
