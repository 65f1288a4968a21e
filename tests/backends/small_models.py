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


def small_net() -> onnx.ModelProto:
    """Pictures [N, 3, 16, 16] and token ids [N, L] -> probabilities [N, 10], through the ops that most nets have."""
    rng = np.random.default_rng(2)

    def draw(*shape: int) -> np.ndarray:
        fan_in = int(np.prod(shape[1:])) or 1
        drawn: np.ndarray = rng.standard_normal(shape) / np.sqrt(fan_in)
        return drawn.astype(np.float32)

    weights = {"c": draw(8, 3, 3, 3), "cb": draw(8), "d": draw(8, 1, 3, 3), "table": draw(20, 8), "g": draw(10, 16)}
    weights |= {"scale": np.abs(draw(8)), "shift": draw(8), "mean": draw(8), "var": np.abs(draw(8)) + 0.5}
    weights |= {"gb": draw(10), "rest": np.array([0, -1])}
    node = helper.make_node
    nodes = [
        node("Conv", ["picture", "c", "cb"], ["conv"], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("BatchNormalization", ["conv", "scale", "shift", "mean", "var"], ["bn"]),
        node("HardSwish", ["bn"], ["act"]),
        node("Conv", ["act", "d"], ["depthwise"], group=8, pads=[1, 1, 1, 1]),
        node("Relu", ["depthwise"], ["relu"]),
        node("MaxPool", ["relu"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", ["pool"], ["average"]),
        node("Reshape", ["average", "rest"], ["seen"]),
        node("Gather", ["table", "tokens"], ["embedded"]),
        node("ReduceMean", ["embedded", "axis"], ["read"], keepdims=0),
        node("Concat", ["seen", "read"], ["both"], axis=1),
        node("Gemm", ["both", "g", "gb"], ["logits"], transB=1),
        node("Softmax", ["logits"], ["y"], axis=-1),
    ]
    weights["axis"] = np.array([1])
    inputs = [value("picture", ["N", 3, 16, 16]), value("tokens", ["N", "L"], TensorProto.INT64)]
    return model(nodes, inputs, [value("y", ["N", 10])], weights)
