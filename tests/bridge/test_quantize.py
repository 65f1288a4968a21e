"""Quantised numbers: exact as in ONNX Runtime; training goes through QuantizeLinear -> DequantizeLinear."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from compressor.bridge import OnnxModule, from_onnx
from tests.bridge.one_node import Array, compare_with_runtime

RNG = np.random.default_rng(4)


def _bytes(kind: Any, *shape: int) -> Array:
    info = np.iinfo(kind)
    return RNG.integers(info.min, info.max + 1, shape).astype(kind)


def test_matmul_integer_with_zero_points_of_columns() -> None:
    inputs = [_bytes(np.uint8, 2, 3, 300), _bytes(np.int8, 300, 5), np.array(7, np.uint8), _bytes(np.int8, 5)]
    compare_with_runtime("MatMulInteger", inputs, types=(TensorProto.INT32,))


@pytest.mark.parametrize("attributes", [{"pads": [1, 0, 0, 2], "strides": [2, 1]}, {"auto_pad": "SAME_UPPER"}])
def test_qlinear_conv_by_channel(attributes: dict[str, Any]) -> None:
    scales = [np.array(s, np.float32) for s in (0.02, 0.1)]
    inputs = [
        _bytes(np.uint8, 1, 2, 7, 6), scales[0], np.array(120, np.uint8), _bytes(np.int8, 4, 2, 3, 3),
        RNG.uniform(0.001, 0.01, 4).astype(np.float32), np.zeros(4, np.int8), scales[1], np.array(100, np.uint8),
        RNG.integers(-500, 500, 4).astype(np.int32),
    ]  # fmt: skip
    compare_with_runtime("QLinearConv", inputs, attributes, constants=(3, 4, 5, 8), types=(TensorProto.UINT8,))


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16])
def test_rounding_and_saturation(kind: Any) -> None:
    x = np.array([-1e6, -200.5, -1.5, -0.5, 0.5, 1.5, 2.5, 127.5, 254.5, 1e6], np.float32)
    inputs = [x, np.array(1, np.float32), np.array(3, kind)]
    compare_with_runtime("QuantizeLinear", inputs, types=(helper.np_dtype_to_tensor_dtype(np.dtype(kind)),))


def _fake_quantized_linear() -> tuple[OnnxModule, Array]:
    """x through quantise and dequantise, times a weight that goes through both by channel."""
    weight = RNG.normal(size=(4, 3)).astype(np.float32)
    named = {
        "w": weight, "ws": (np.abs(weight).max(0) / 127).astype(np.float32), "wz": np.zeros(3, np.int8),
        "s": np.array(0.1, np.float32), "z": np.array(-10, np.int8),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node("QuantizeLinear", ["w", "ws", "wz"], ["wq"], axis=1),
        helper.make_node("DequantizeLinear", ["wq", "ws", "wz"], ["wd"], axis=1),
        helper.make_node("MatMul", ["xd", "wd"], ["y"]),
    ]
    given, result = (helper.make_tensor_value_info(n, 1, s) for n, s in (("x", [5, 4]), ("y", [5, 3])))
    graph = helper.make_graph(
        nodes, "fake", [given], [result], [numpy_helper.from_array(v, n) for n, v in named.items()]
    )
    return from_onnx(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)), weight


def test_training_reaches_weights_and_inputs_through_quantisation() -> None:
    module, weight = _fake_quantized_linear()
    assert [p.shape for p in module.parameters()] == [torch.Size([4, 3])]
    x = torch.tensor([[0.12, -3.0, 5.0, 100.0]] * 5, requires_grad=True)  # 100 saturates: at most 13.7
    y = module(x)
    steps = np.abs(weight).max(0) / 127
    levels = np.round(weight / steps) * steps
    rounded = np.clip(np.round(np.array([0.12, -3.0, 5.0, 100.0]) / 0.1), -118, 137) * 0.1
    np.testing.assert_allclose(y[0].detach().numpy(), rounded @ levels, rtol=1e-4)
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad[0].numpy(), levels.sum(1) * [1, 1, 1, 0], rtol=1e-4)
    gradient = next(module.parameters()).grad
    assert gradient is not None
    np.testing.assert_allclose(gradient.numpy(), np.repeat(5 * rounded[:, None], 3, 1), rtol=1e-4)
