"""Small ONNX models that the graph I/O tests take apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_RNG = np.random.default_rng(0)
WEIGHT = _RNG.standard_normal((16, 8, 3, 3)).astype(np.float32)  # 4,608 bytes: stays in the file when read
FLOAT = TensorProto.FLOAT


def tensor(name: str, array: Any) -> TensorProto:
    """An initializer."""
    return numpy_helper.from_array(np.asarray(array), name)


def value(name: str, *shape: int | str | None, kind: int = FLOAT) -> onnx.ValueInfoProto:
    """A graph input or output."""
    return helper.make_tensor_value_info(name, kind, list(shape))


def model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    initializers: list[TensorProto] | None = None,
    opset: int = 17,
    ir_version: int = 8,
    **more: Any,
) -> onnx.ModelProto:
    """A model of one graph; `more` goes to onnx.helper.make_model."""
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers or [])
    imports = [helper.make_opsetid("", opset), *more.pop("domains", [])]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir_version, **more)


def conv_model(opset: int = 17) -> onnx.ModelProto:
    """Conv and Relu, with a weight large enough to be left in the file."""
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], "conv", kernel_shape=[3, 3]),
        helper.make_node("Relu", ["c"], ["y"], "relu"),
    ]
    weights = [tensor("w", WEIGHT), tensor("b", np.arange(16, dtype=np.float32))]
    return model(nodes, [value("x", "n", 8, 5, 5)], [value("y", "n", 16, 3, 3)], weights, opset)


def if_model() -> onnx.ModelProto:
    """If whose branches use a tensor and an initializer of the outer graph, and one of their own."""
    draw = np.random.default_rng(1).standard_normal
    then = helper.make_graph(
        [helper.make_node("MatMul", ["h", "w"], ["t"], "then_matmul")], "then", [], [value("t", "n", 32)]
    )
    other = helper.make_graph(
        [helper.make_node("Constant", [], ["k"], value=tensor("k", np.float32(2))),
         helper.make_node("Mul", ["h", "own"], ["m"], "else_mul"),
         helper.make_node("Mul", ["m", "k"], ["e"], "else_scale")],
        "else", [], [value("e", "n", 32)], [tensor("own", draw(32).astype(np.float32))],
    )  # fmt: skip
    nodes = [
        helper.make_node("Relu", ["x"], ["h"], "relu"),
        helper.make_node("If", ["flag"], ["y"], "if", then_branch=then, else_branch=other),
    ]
    inputs = [value("x", "n", 32), value("flag", kind=TensorProto.BOOL)]
    weights = [tensor("w", draw((32, 32)).astype(np.float32))]
    return model(nodes, inputs, [value("y", "n", 32)], weights)


def loop_model() -> onnx.ModelProto:
    """Loop that adds an initializer of the outer graph `n` times."""
    body = helper.make_graph(
        [helper.make_node("Add", ["state", "step"], ["next"], "add"),
         helper.make_node("Identity", ["go"], ["still"], "pass")],
        "body",
        [value("i", kind=TensorProto.INT64), value("go", kind=TensorProto.BOOL), value("state", 4)],
        [value("still", kind=TensorProto.BOOL), value("next", 4)],
    )  # fmt: skip
    nodes = [helper.make_node("Loop", ["n", "", "x"], ["y"], "loop", body=body)]
    inputs = [value("n", kind=TensorProto.INT64), value("x", 4)]
    return model(nodes, inputs, [value("y", 4)], [tensor("step", np.arange(4, dtype=np.float32))])


def scan_model() -> onnx.ModelProto:
    """Scan: a running sum scaled by an initializer of the outer graph."""
    body = helper.make_graph(
        [helper.make_node("Mul", ["item", "scale"], ["scaled"], "scale"),
         helper.make_node("Add", ["sum", "scaled"], ["next"], "add"),
         helper.make_node("Identity", ["next"], ["out"], "emit")],
        "body", [value("sum", 2), value("item", 2)], [value("next", 2), value("out", 2)],
    )  # fmt: skip
    nodes = [helper.make_node("Scan", ["start", "xs"], ["total", "sums"], "scan", body=body, num_scan_inputs=1)]
    weights = [tensor("scale", np.array([2, 3], np.float32))]
    return model(nodes, [value("start", 2), value("xs", 5, 2)], [value("total", 2), value("sums", 5, 2)], weights)


def run(proto: onnx.ModelProto, feeds: dict[str, Any]) -> list[Any]:
    """Outputs of ONNX Runtime, its optimisations off."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))


def stripped(message: Any) -> bytes:
    """Serialized, with fields that are set to their default taken as unset (which means the same)."""
    plain = type(message)()
    plain.CopyFrom(message)
    _strip(plain)
    return bytes(plain.SerializeToString(deterministic=True))


def _strip(message: Any) -> None:
    for descriptor, item in message.ListFields():
        if descriptor.message_type is not None:
            for part in item if descriptor.is_repeated else [item]:
                _strip(part)
        elif not descriptor.is_repeated and descriptor.containing_oneof is None and item == descriptor.default_value:
            message.ClearField(descriptor.name)
