"""What judges the peer must itself tell right from wrong."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compressor.backends.base import open_model
from compressor.verification import difference
from tests.benchmarks.zero_mask import NotABlockError, masked

KEPT = np.array([0, 2, 3, 6])


def _network(first: np.ndarray, bias: np.ndarray, second: np.ndarray) -> onnx.ModelProto:
    """x @ first + bias, sigmoid (which is not zero at zero), @ second."""
    nodes = [
        helper.make_node("Gemm", ["x", "first", "bias"], ["h"]),
        helper.make_node("Sigmoid", ["h"], ["a"]),
        helper.make_node("MatMul", ["a", "second"], ["y"]),
    ]
    weights = {"first": first, "bias": bias, "second": second}
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, size])
        for name, size in (("x", first.shape[0]), ("y", second.shape[1]))
    ]
    tensors = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "chain", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def _weights() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.standard_normal((5, 8)), rng.standard_normal(8), rng.standard_normal((8, 3))


def _error(original: onnx.ModelProto, pruned: onnx.ModelProto) -> float:
    feeds = {"x": np.random.default_rng(1).standard_normal((2, 5)).astype(np.float32)}
    with open_model(masked(original, pruned)) as left, open_model(pruned) as right:
        return difference(right.run(feeds)["y"], left.run(feeds)["y"], "y")[0]


def test_a_right_cut_equals_its_masked_original() -> None:
    first, bias, second = _weights()
    assert _error(_network(first, bias, second), _network(first[:, KEPT], bias[KEPT], second[KEPT])) < 1e-6


def test_other_rows_than_columns_differ() -> None:
    first, bias, second = _weights()
    wrong = _network(first[:, KEPT], bias[KEPT], second[[1, 2, 3, 6]])
    assert _error(_network(first, bias, second), wrong) > 1e-2


def test_a_bias_that_does_not_belong_differs() -> None:
    first, bias, second = _weights()
    wrong = _network(first[:, KEPT], bias[KEPT + 1], second[KEPT])
    assert _error(_network(first, bias, second), wrong) > 1e-2


def test_changed_values_are_no_cut() -> None:
    first, bias, second = _weights()
    with pytest.raises(NotABlockError, match="values changed"):
        masked(_network(first, bias, second), _network(2 * first[:, KEPT], bias[KEPT], second[KEPT]))


def test_a_larger_weight_is_no_cut() -> None:
    first, bias, second = _weights()
    grown = np.concatenate([first, first], axis=1)
    with pytest.raises(NotABlockError, match="became"):
        masked(_network(first, bias, second), _network(grown, np.tile(bias, 2), np.tile(second, (2, 1))))
