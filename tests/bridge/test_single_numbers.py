"""Operands that are a single known number become Python numbers, where PyTorch takes those and types stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.bridge.one_node import compare_with_runtime

_NUMBERS = ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min")
_COMPARISONS = ("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual")
_BOOL = 9


@pytest.mark.parametrize("single", [0, 1])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32, np.int64])
@pytest.mark.parametrize("op", [*_NUMBERS, *_COMPARISONS])
def test_numbers(op: str, kind: Any, single: int) -> None:
    inputs = [np.array([[1, 2, 3]]).astype(kind), np.array([[4, 2, 1]]).astype(kind)]
    inputs[single] = np.array(2).astype(kind)
    compare_with_runtime(op, inputs, constants=(single,), opset=18, types=(_BOOL,) if op in _COMPARISONS else ())


@pytest.mark.parametrize("single", [0, 1])
@pytest.mark.parametrize("truth", [True, False])
@pytest.mark.parametrize("op", ["And", "Or", "Xor"])
def test_truth(op: str, truth: bool, single: int) -> None:
    inputs = [np.array([[True, False]]), np.array([[True, False]])]
    inputs[single] = np.array(truth)
    compare_with_runtime(op, inputs, constants=(single,), opset=18)


def test_a_gate_times_its_input_is_silu() -> None:
    import onnx
    import torch
    import torch.nn.functional as F

    from compressor.bridge import from_onnx

    text = '<ir_version: 10, opset_import: ["" : 18]> g (float[n] x) => (float[n] y) { s = Sigmoid(x) y = Mul(s, x) }'
    module = from_onnx(onnx.parser.parse_model(text))
    assert {node.target for node in module.graph.nodes if node.op == "call_function"} == {F.silu}
    x = torch.linspace(-5, 5, 11)
    torch.testing.assert_close(module(x), x * torch.sigmoid(x))
