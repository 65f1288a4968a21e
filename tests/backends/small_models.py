"""Small ONNX models for the backend tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    weights: dict[str, np.ndarray] | None = None,
    opset: int = 18,
) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()]
    graph = helper.make_graph(list(nodes), "small", list(inputs), list(outputs), initializer=tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def value(name: str, shape: Sequence[int | str | None], kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def chain(length: int, width: int = 16, batch: int | str = "N") -> onnx.ModelProto:
    """x -> MatMul -> Relu -> MatMul ... : ``length`` MatMuls of width x width, outputs "y"."""
    rng = np.random.default_rng(0)
    nodes, weights, last = [], {}, "x"
    for index in range(length):
        weights[f"w{index}"] = (rng.standard_normal((width, width)) / np.sqrt(width)).astype(np.float32)
        nodes.append(helper.make_node("MatMul", [last, f"w{index}"], [f"h{index}"], name=f"matmul{index}"))
        last = "y" if index == length - 1 else f"r{index}"
        nodes.append(helper.make_node("Relu", [f"h{index}"], [last], name=f"relu{index}"))
    return model(nodes, [value("x", [batch, width])], [value("y", [batch, width])], weights)


def chain_reference(proto: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """What ``chain`` computes, in NumPy."""
    for tensor in proto.graph.initializer:
        x = np.maximum(x @ numpy_helper.to_array(tensor), 0)
    return x
