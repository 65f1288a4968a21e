"""Networks whose kernels are told: what runtimes fuse is in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

from tests.backends.small_models import model, value


def residual_net(width: int = 16, size: int = 32, blocks: int = 2) -> onnx.ModelProto:
    """Pictures [1, 3, size, size] -> [1, 10]: stem, blocks of Conv BN Relu Conv BN Add Relu, a Gemm at the end."""
    rng = np.random.default_rng(0)
    nodes: list[onnx.NodeProto] = []
    weights: dict[str, np.ndarray] = {}

    def convolution(name: str, source: str, inputs: int) -> str:
        weights[f"{name}.w"] = (rng.standard_normal((width, inputs, 3, 3)) / (3 * inputs**0.5)).astype(np.float32)
        for part, array in (
            ("s", np.ones(width)),
            ("b", np.full(width, 0.1)),
            ("m", np.zeros(width)),
            ("v", np.ones(width)),
        ):
            weights[f"{name}.{part}"] = array.astype(np.float32)
        nodes.append(helper.make_node("Conv", [source, f"{name}.w"], [name], name=f"node {name}", pads=[1, 1, 1, 1]))
        statistics = [f"{name}.{part}" for part in "sbmv"]
        nodes.append(
            helper.make_node("BatchNormalization", [name, *statistics], [f"{name}_bn"], name=f"node {name}_bn")
        )
        return f"{name}_bn"

    def relu(source: str) -> str:
        nodes.append(helper.make_node("Relu", [source], [f"{source}_relu"]))
        return f"{source}_relu"

    last = relu(convolution("stem", "x", 3))
    for number in range(blocks):
        inner = convolution(f"second{number}", relu(convolution(f"first{number}", last, width)), width)
        nodes.append(helper.make_node("Add", [inner, last], [f"sum{number}"]))
        last = relu(f"sum{number}")
    weights["fc.w"] = rng.standard_normal((10, width)).astype(np.float32)
    weights["fc.b"] = np.zeros(10, np.float32)
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["flat"]),
        helper.make_node("Gemm", ["flat", "fc.w", "fc.b"], ["y"], transB=1),
    ]
    return model(nodes, [value("x", [1, 3, size, size])], [value("y", [1, 10])], weights)


def transformer(width: int = 64, heads: int = 4, tokens: int = 16) -> onnx.ModelProto:
    """One block on [1, tokens, width], written as exporters write it: MatMul and Add, softmax attention, GELU."""
    rng = np.random.default_rng(1)
    nodes: list[onnx.NodeProto] = []
    weights: dict[str, np.ndarray] = {
        "split": np.array([0, 0, heads, width // heads]),
        "merged": np.array([0, 0, width]),
        "scale": np.array((width / heads) ** -0.5, np.float32),
    }

    def add(op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(op, inputs, [output], name=f"node_{output}", **attributes))
        return output

    def linear(name: str, source: str, inputs: int, outputs: int) -> str:
        weights[f"{name}.w"] = (rng.standard_normal((inputs, outputs)) / inputs**0.5).astype(np.float32)
        weights[f"{name}.b"] = np.full(outputs, 0.1, np.float32)
        return add("Add", [add("MatMul", [source, f"{name}.w"], f"{name}_product"), f"{name}.b"], name)

    def norm(name: str, source: str) -> str:
        weights[f"{name}.g"], weights[f"{name}.b"] = np.ones(width, np.float32), np.full(width, 0.1, np.float32)
        return add("LayerNormalization", [source, f"{name}.g", f"{name}.b"], name)

    seen = norm("norm1", "x")
    parts = {}
    for part, axes in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        split = add("Reshape", [linear(part, seen, width, width), "split"], f"{part}_split")
        parts[part] = add("Transpose", [split], f"{part}_heads", perm=axes)
    scaled = add("Mul", [add("MatMul", [parts["q"], parts["k"]], "scores"), "scale"], "scaled")
    mixed = add("MatMul", [add("Softmax", [scaled], "weights", axis=-1), parts["v"]], "mixed")
    merged = add("Reshape", [add("Transpose", [mixed], "turned", perm=[0, 2, 1, 3]), "merged"], "joined")
    middle = add("Add", ["x", linear("out", merged, width, width)], "middle")
    wide = linear("up", norm("norm2", middle), width, 4 * width)
    add("Add", [middle, linear("down", add("Gelu", [wide], "gelu"), 4 * width, width)], "y")
    shape = [1, tokens, width]
    return model(nodes, [value("x", shape)], [value("y", shape)], weights, opset=20)


def blocked_net(width: int = 16) -> onnx.ModelProto:
    """[1, width, 8, 8] -> the same: Conv, GELU in five ops, Conv, Relu, BatchNormalization, Conv, Add of the GELU."""
    rng = np.random.default_rng(2)
    shape = [1, width, 8, 8]
    weights: dict[str, np.ndarray] = {
        f"w{i}": (rng.standard_normal((width, width, 3, 3)) / (3 * width**0.5)).astype(np.float32) for i in range(3)
    }
    numbers = {"root": 2**0.5, "one": 1.0, "half": 0.5}
    weights |= {name: np.array(number, np.float32) for name, number in numbers.items()}
    for part, number in (("s", 1.5), ("b", 0.1), ("m", 0.2), ("v", 0.9)):
        weights[part] = np.linspace(number, number + 0.1, width, dtype=np.float32)

    def node(op: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(op, inputs, [output], name=f"node_{output}", **attributes)

    nodes = [
        node("Conv", ["x", "w0"], "conv0", pads=[1, 1, 1, 1]),
        node("Div", ["conv0", "root"], "divided"),
        node("Erf", ["divided"], "erf"),
        node("Add", ["erf", "one"], "shifted"),
        node("Mul", ["conv0", "shifted"], "product"),
        node("Mul", ["product", "half"], "gelu"),
        node("Conv", ["gelu", "w1"], "conv1", pads=[1, 1, 1, 1]),
        node("Relu", ["conv1"], "relu"),
        node("BatchNormalization", ["relu", "s", "b", "m", "v"], "norm"),
        node("Conv", ["norm", "w2"], "conv2", pads=[1, 1, 1, 1]),
        node("Add", ["conv2", "gelu"], "y"),
    ]
    return model(nodes, [value("x", shape)], [value("y", shape)], weights)
