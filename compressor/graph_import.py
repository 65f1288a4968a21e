"""onnx.ModelProto -> onnx_graphsurgeon.Graph without loss and without copying weights.

graphsurgeon's own importer drops what compressor.graph_extras keeps, skips attribute types it does not know,
and copies the whole tensor map for every subgraph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import onnx
import onnx_graphsurgeon as gs

from compressor import graph_extras
from compressor.errors import ModelFileError
from compressor.graph_extras import GraphExtras, TensorExtras, remainder
from compressor.tensor_values import TensorValues, numpy_type

ValuesOf = Callable[[onnx.TensorProto, bool], TensorValues]  # (tensor, is a main-graph initializer) -> lazy values

_KIND = onnx.AttributeProto
_MODEL_FIELDS = frozenset({"graph", "ir_version", "producer_name", "producer_version", "opset_import"})
_GRAPH_FIELDS = frozenset(
    {"name", "doc_string", "node", "input", "output", "value_info", "initializer", "sparse_initializer"}
)
_NODE_FIELDS = frozenset({"op_type", "domain", "name", "input", "output", "attribute"})
_VALUE_INFO_FIELDS = frozenset({"name", "type"})


class EmptyList(list[Any]):
    """An empty list attribute, which must remember what it is an empty list of (an AttributeProto type)."""

    def __init__(self, kind: int) -> None:
        super().__init__()
        self.kind = kind


class Importer:
    """Builds one gs.Graph and the gs.Graphs of its subgraphs.

    Args:
        values_of: gives the lazy values of a tensor; called for initializers and tensor attributes.
        where: how messages call the model.
        model: for the operator sets every subgraph shares.
    """

    def __init__(self, values_of: ValuesOf, where: str, model: onnx.ModelProto) -> None:
        self._values_of = values_of
        self._where = where
        self._check_text(model.producer_name, model.producer_version, *[entry.domain for entry in model.opset_import])
        self._imports = list(model.opset_import)
        self._opset = default_opset(model)

    def graph(self, proto: onnx.GraphProto, scopes: tuple[dict[str, Any], ...] = ()) -> Any:
        """The gs.Graph of `proto`; `scopes` maps the names of the enclosing graphs, innermost last."""
        self._check_text(proto.name, proto.doc_string)
        extras = GraphExtras(remainder=remainder(proto, _GRAPH_FIELDS) or onnx.GraphProto())
        if proto.sparse_initializer:
            raise ModelFileError(
                f"initializer {proto.sparse_initializer[0].values.name!r} is stored as a sparse tensor",
                where=self._where,
                fix="Sparse initializers are not supported; export the model with dense weights.",
            )
        tensors: dict[str, Any] = {}
        scope = (*scopes, tensors)
        for position, initializer in enumerate(proto.initializer):
            tensors[initializer.name] = self._constant(initializer, not scopes)
            extras.initializer_order[initializer.name] = position
        self._describe(proto.value_info, tensors)
        self._note_described_initializers(proto, tensors)
        inputs = self._describe(proto.input, tensors)
        for info in proto.input:
            if info.name in extras.initializer_order:
                extras.listed_initializers[info.name] = info
        if extras.listed_initializers:
            extras.input_order = {info.name: position for position, info in enumerate(proto.input)}
        outputs = self._describe(proto.output, tensors)
        graph = gs.Graph(
            nodes=[self._node(node, scope) for node in proto.node],
            inputs=[tensor for tensor in inputs if tensor.name not in extras.initializer_order],
            outputs=outputs,
            name=proto.name,
            doc_string=proto.doc_string,
            opset=self._opset,
            import_domains=self._imports,
        )
        graph_extras.attach(graph, extras)
        return graph

    def _constant(self, proto: onnx.TensorProto, main_graph: bool) -> Any:
        self._check_text(proto.name)
        constant = gs.Constant(proto.name, self._values_of(proto, main_graph))
        if proto.doc_string or proto.metadata_props:
            kept = onnx.TensorProto(doc_string=proto.doc_string, metadata_props=proto.metadata_props)
            graph_extras.attach(constant, TensorExtras(tensor=kept))
        return constant

    def _describe(self, infos: Any, tensors: dict[str, Any]) -> list[Any]:
        """Give each tensor named by `infos` its type and shape, making those that are not there yet."""
        described = []
        for info in infos:
            tensor = tensors.get(info.name)
            if tensor is None:
                self._check_text(info.name)
                tensor = tensors[info.name] = gs.Variable(info.name)
            if isinstance(tensor, gs.Variable):
                self._set_type(tensor, info)
            described.append(tensor)
        return described

    def _note_described_initializers(self, proto: onnx.GraphProto, tensors: dict[str, Any]) -> None:
        """Exporters write value_info for some initializers too; remember for which."""
        for info in proto.value_info:
            tensor = tensors[info.name]
            if isinstance(tensor, gs.Constant):
                extras = graph_extras.of(tensor) or TensorExtras()
                extras.value_info = remainder(info, _VALUE_INFO_FIELDS) or onnx.ValueInfoProto()
                graph_extras.attach(tensor, extras)

    def _set_type(self, variable: Any, info: onnx.ValueInfoProto) -> None:
        kind = info.type.WhichOneof("value")
        kept = remainder(info, _VALUE_INFO_FIELDS)
        if kind == "tensor_type":
            tensor_type = info.type.tensor_type
            variable.dtype = self._dtype(tensor_type.elem_type, info.name)
            plain = not info.type.denotation
            if tensor_type.HasField("shape"):
                variable.shape = [_dimension(dim) for dim in tensor_type.shape.dim]
                self._check_text(*[dim for dim in variable.shape if isinstance(dim, str | bytes)])
                plain = plain and not any(dim.denotation for dim in tensor_type.shape.dim)
        else:
            variable.type = kind
            plain = kind is None
        if not plain:
            kept = kept or onnx.ValueInfoProto()
            kept.type.CopyFrom(info.type)
        if kept is not None:
            graph_extras.attach(variable, TensorExtras(value_info=kept, imported_type=(variable.dtype, variable.shape)))

    def _check_text(self, *texts: str | bytes) -> None:
        """Protobuf hands out what is not UTF-8 as bytes; nothing that follows could write it back."""
        for text in texts:
            if isinstance(text, bytes):
                raise ModelFileError(
                    f"the name {text!r} is not text (UTF-8)",
                    where=self._where,
                    fix="The file is damaged; copy or download it again, or export the model again.",
                )

    def _dtype(self, element_type: int, name: str) -> Any:
        try:
            return numpy_type(element_type)
        except KeyError:
            raise ModelFileError(
                f"tensor {name!r} has element type {element_type}, which the installed onnx does not know",
                where=self._where,
                fix="The file is damaged or newer than the installed onnx; update onnx or export the model again.",
            ) from None

    def _node(self, proto: onnx.NodeProto, scope: tuple[dict[str, Any], ...]) -> Any:
        tensors = scope[-1]
        self._check_text(proto.name, proto.op_type, proto.domain, *proto.input, *proto.output)
        self._check_text(*[item.name for item in proto.attribute])
        attributes = {item.name: self._attribute(item, scope) for item in proto.attribute}
        inputs = [_find(name, scope) for name in proto.input]
        outputs = []
        for name in proto.output:
            tensor = tensors.get(name) if name else gs.Variable("")
            if tensor is None:
                tensor = tensors[name] = gs.Variable(name)
            outputs.append(tensor)
        node = gs.Node(proto.op_type, proto.name, attributes, inputs, outputs, proto.domain or None)
        kept = remainder(proto, _NODE_FIELDS)
        for item in proto.attribute:
            if item.doc_string:
                kept = kept or onnx.NodeProto()
                kept.attribute.add(name=item.name, doc_string=item.doc_string)
        if kept is not None:
            graph_extras.attach(node, kept)
        return node

    def _attribute(self, item: onnx.AttributeProto, scope: tuple[dict[str, Any], ...]) -> Any:
        kind = item.type
        if kind == _KIND.INTS:
            return list(item.ints) or EmptyList(kind)
        if kind == _KIND.INT:
            return item.i
        if kind == _KIND.FLOAT:
            return item.f
        if kind == _KIND.STRING:
            return _text(item.s)
        if kind == _KIND.TENSOR:
            return self._constant(item.t, False)
        if kind == _KIND.GRAPH:
            return self.graph(item.g, scope)
        if kind == _KIND.FLOATS:
            return list(item.floats) or EmptyList(kind)
        return self._rare_attribute(item, scope)

    def _rare_attribute(self, item: onnx.AttributeProto, scope: tuple[dict[str, Any], ...]) -> Any:
        kind = item.type
        if kind == _KIND.STRINGS:
            return [_text(text) for text in item.strings] or EmptyList(kind)
        if kind == _KIND.TENSORS:
            return [self._constant(tensor, False) for tensor in item.tensors] or EmptyList(kind)
        if kind == _KIND.GRAPHS:
            return [self.graph(graph, scope) for graph in item.graphs] or EmptyList(kind)
        if kind == _KIND.TYPE_PROTO:
            return item.tp
        if kind == _KIND.TYPE_PROTOS:
            return list(item.type_protos) or EmptyList(kind)
        if kind == _KIND.SPARSE_TENSOR:
            return item.sparse_tensor
        if kind == _KIND.SPARSE_TENSORS:
            return list(item.sparse_tensors) or EmptyList(kind)
        raise ModelFileError(
            f"attribute {item.name!r} has no type the installed onnx knows",
            where=self._where,
            fix="The file is damaged or newer than the installed onnx; export the model again or update onnx.",
        )


def import_model(model: onnx.ModelProto, values_of: ValuesOf, where: str) -> Any:
    """The gs.Graph of a model that has passed compressor.model_check."""
    graph = Importer(values_of, where, model).graph(model.graph)
    graph.ir_version = model.ir_version
    graph.producer_name = model.producer_name
    graph.producer_version = model.producer_version
    kept = remainder(model, _MODEL_FIELDS)
    if kept is not None:
        graph_extras.of(graph).model = kept
    return graph


def default_opset(model: onnx.ModelProto) -> int | None:
    """Version of the standard operator set the model imports; None if it imports only others."""
    return next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), None)


def _find(name: str, scope: tuple[dict[str, Any], ...]) -> Any:
    if not name:
        return gs.Variable("")
    for tensors in reversed(scope):
        tensor = tensors.get(name)
        if tensor is not None:
            return tensor
    tensor = scope[-1][name] = gs.Variable(name)
    return tensor


def _dimension(dim: Any) -> int | str | None:
    kind = dim.WhichOneof("value")
    if kind is None:
        return None
    return dim.dim_value if kind == "dim_value" else dim.dim_param  # type: ignore[no-any-return]


def _text(data: bytes) -> str | bytes:
    """Strings are UTF-8 by the standard; operators outside it also keep binary data in them."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data
