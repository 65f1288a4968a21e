"""Shapes, types and small values, node by node.

Shapes come from ONNX's own per-node inference, values of shape subgraphs from small NumPy kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx_graphsurgeon.exporters.onnx_exporter import OnnxExporter

from compressor.errors import GraphError
from compressor.graph_copy import subgraphs_of
from compressor.passes.body_shapes import visit_bodies
from compressor.passes.contrib_shapes import CONTRIB_SHAPES, STANDARD_TWIN
from compressor.passes.facts import Probe
from compressor.passes.quantized_shapes import QUANTIZED_SHAPES
from compressor.passes.shape_values import EVALUATION_ERRORS, KERNELS, Array

_VALUE_LIMIT = 1 << 16  # elements; shape arithmetic is far below, position tables and window masks are below
_RANDOM = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli",
           "Dropout"}  # fmt: skip
# The input whose type a com.microsoft op gives out, where it is not the first.
_TYPE_SLOT = {"EmbedLayerNormalization": 2, "QLinearConcat": 2, "QLinearWhere": 1}
_CONTRIB_SHAPES = {**CONTRIB_SHAPES, **QUANTIZED_SHAPES}
# ONNX's inference gives these no shape, only a type.
_KEEPS_SHAPE = {"GroupNormalization", "MeanVarianceNormalization"}


def elem_type(dtype: Any) -> int:
    """ONNX's number of a NumPy dtype."""
    if isinstance(dtype, int):
        return dtype
    return int(onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


class ShapeEngine:
    """Visits nodes in order and adds what it finds to ``facts``."""

    def __init__(self, graph: gs.Graph, facts: Probe) -> None:
        self.facts = facts
        self.ir_version = 10
        self.opsets = dict(_domains(graph))
        self.imports = [onnx.helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
        self.types: dict[str, onnx.TypeProto] = {}
        self.known: dict[str, onnx.TensorProto] = {}

    def visit(self, node: gs.Node) -> None:
        """Shapes, types and small values of one node's outputs."""
        for tensor in node.inputs:
            if isinstance(tensor, gs.Constant) and tensor.name not in self.facts.shapes:
                self.note_constant(tensor)
        if node.op in ("Shape", "Size") and self._shape_of(node):
            return
        if any(True for _ in subgraphs_of(node)):
            visit_bodies(self, node)
        elif not self._evaluate(node):
            self._infer(node)

    def note_constant(self, tensor: gs.Constant) -> None:
        """Shape, type and (when small) value of an initializer."""
        facts = self.facts
        facts.shapes[tensor.name] = tuple(tensor.shape)
        facts.dtypes[tensor.name] = elem_type(tensor.dtype)
        size = int(np.prod(tensor.shape))
        integral = not np.issubdtype(np.dtype(tensor.dtype), np.floating)
        if size <= 64 or (integral and size <= _VALUE_LIMIT):
            facts.values[tensor.name] = np.asarray(tensor.values)

    def _shape_of(self, node: gs.Node) -> bool:
        shape = self.facts.shapes.get(node.inputs[0].name)
        if shape is None:
            return False
        kept = shape[node.attrs.get("start", 0) : node.attrs.get("end")]
        value = np.array(shape, np.int64).prod() if node.op == "Size" else np.array(kept, np.int64)
        self._store(node.outputs[0].name, np.asarray(value))
        return True

    def _store(self, name: str, value: Array) -> None:
        self.facts.values[name] = value
        self.facts.shapes[name] = value.shape
        self.facts.dtypes[name] = elem_type(value.dtype)

    def _evaluate(self, node: gs.Node) -> bool:
        values = self.facts.values
        names = [tensor.name for tensor in node.inputs]
        if node.domain or not names or node.op in _RANDOM or any(name and name not in values for name in names):
            return False
        inputs = [values[name] if name else None for name in names]
        try:
            with np.errstate(all="ignore"):  # log(0) in a position formula is the model's business
                results = self._run(node, inputs)
        except EVALUATION_ERRORS:
            return False
        if results is None or any(result.size > _VALUE_LIMIT for result in results):
            return False
        for tensor, result in zip(node.outputs, results, strict=False):
            if tensor.name:
                self._store(tensor.name, result)
        return True

    def _run(self, node: gs.Node, inputs: list[Array | None]) -> list[Array] | None:
        kernel = KERNELS.get(node.op)
        if kernel is not None and len(node.outputs) == 1:
            result = kernel(inputs, node.attrs)
            return None if result is None else [np.asarray(result)]
        if sum(value.size for value in inputs if value is not None) > 4096 or bool(list(subgraphs_of(node))):
            return None
        from onnx.reference import ReferenceEvaluator

        proto = OnnxExporter.export_node(node)
        evaluator = ReferenceEvaluator(proto, opsets=self.opsets)
        feeds = {tensor.name: value for tensor, value in zip(node.inputs, inputs, strict=True) if value is not None}
        return [np.asarray(result) for result in evaluator.run(None, feeds)]

    def _infer(self, node: gs.Node) -> None:
        version = self.opsets.get(node.domain or "")
        if version is None or not onnx.defs.has(node.op, version, node.domain or ""):
            self._infer_contrib(node)
            return
        types, known = self._types_of(node)
        if types is None:
            return
        schema = onnx.defs.get_schema(node.op, version, node.domain or "")
        proto = OnnxExporter.export_node(node)
        try:
            inferred = onnx.shape_inference.infer_node_outputs(
                schema, proto, types, known, opset_imports=self.imports, ir_version=self.ir_version
            )
        except onnx.checker.ValidationError as error:
            reason = str(error).strip().splitlines()[0]
            raise GraphError(
                f"the node is not valid: {reason}", where=f"node {node.name!r} ({node.op})",
                fix="Export the model again; onnx.checker gives the details.",
            ) from error  # fmt: skip
        for name, kind in inferred.items():
            self._record(name, kind)
        first, out = node.inputs[0].name if node.inputs else "", node.outputs[0].name
        if node.op in _KEEPS_SHAPE and first in self.facts.shapes:
            self.facts.shapes.setdefault(out, self.facts.shapes[first])
            self.types.pop(out, None)

    def _infer_contrib(self, node: gs.Node) -> None:
        """Shapes of a com.microsoft op, from our own table."""
        if node.domain != "com.microsoft":
            return
        names = [tensor.name for tensor in node.inputs]
        if any(name and name not in self.facts.shapes for name in names):
            return
        rule = _CONTRIB_SHAPES.get(node.op)
        shapes = [self.facts.shapes[name] if name else None for name in names]
        if rule is None:
            self._infer_twin(node)
            return
        kind = self.facts.dtypes[names[_TYPE_SLOT.get(node.op, 0)]]
        for tensor, shape in zip(node.outputs, rule(shapes, node.attrs) or [], strict=False):
            if tensor.name:
                self.facts.shapes[tensor.name] = shape
                self.facts.dtypes[tensor.name] = kind

    def _infer_twin(self, node: gs.Node) -> None:
        twin = STANDARD_TWIN.get(node.op)
        if twin is None:
            return
        schema = onnx.defs.get_schema(twin, self.opsets[""], "")
        attrs = {name: value for name, value in node.attrs.items() if name in schema.attributes}
        self._infer(gs.Node(twin, node.name, attrs, list(node.inputs[:3]), list(node.outputs[:1])))

    def _types_of(self, node: gs.Node) -> tuple[dict[str, onnx.TypeProto] | None, dict[str, onnx.TensorProto]]:
        types: dict[str, onnx.TypeProto] = {}
        known: dict[str, onnx.TensorProto] = {}
        for tensor in node.inputs:
            name = tensor.name
            if not name:
                continue
            if name not in self.facts.dtypes:
                return None, known
            if name not in self.types:
                shape = self.facts.shapes.get(name)
                self.types[name] = onnx.helper.make_tensor_type_proto(self.facts.dtypes[name], shape)
            types[name] = self.types[name]
            value = self.facts.values.get(name)
            if value is not None:
                if name not in self.known:
                    self.known[name] = onnx.numpy_helper.from_array(np.asarray(value, order="C"), name)
                known[name] = self.known[name]
        return types, known

    def _record(self, name: str, kind: onnx.TypeProto) -> None:
        if not name or not kind.HasField("tensor_type"):
            return
        tensor = kind.tensor_type
        self.facts.dtypes[name] = tensor.elem_type
        self.types[name] = kind
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim):
            self.facts.shapes[name] = tuple(dim.dim_value for dim in tensor.shape.dim)


def _domains(graph: gs.Graph) -> list[tuple[str, int]]:
    domains = {entry.domain: entry.version for entry in (graph.import_domains or [])}
    domains[""] = graph.opset
    return list(domains.items())
