"""Shapes, slices, indices and reductions against ONNX Runtime, with settings known at conversion and at run time."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
import torch

from tests.bridge.one_node import Array, compare_with_runtime, module_of

RNG = np.random.default_rng(2)
_INT64 = onnx.TensorProto.INT64


def _random(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def _ints(*values: Any) -> Array:
    return np.array(values, dtype=np.int64)


def _compare(op: str, inputs: list[Any], attributes: dict[str, Any] | None = None, **how: Any) -> None:
    """With all further inputs as constants, and with none."""
    compare_with_runtime(op, inputs, attributes, constants=range(1, len(inputs)), **how)
    compare_with_runtime(op, inputs, attributes, **how)


@pytest.mark.parametrize("target", [[2, 12], [0, -1], [0, 0, 4], [-1], [0, 3, -1, 2], [4, -1, 1]])
def test_reshape(target: list[int]) -> None:
    _compare("Reshape", [_random(2, 3, 4), _ints(*target)])


@pytest.mark.parametrize("axis", [-3, -1, 0, 1, 2, 3])
def test_flatten(axis: int) -> None:
    compare_with_runtime("Flatten", [_random(2, 3, 4)], {"axis": axis})


@pytest.mark.parametrize("axes", [[0], [-1], [0, 2], [2, 0], [-1, -3], [-1, 0], [1, 2, 4], [-2, 1]])
def test_unsqueeze(axes: list[int]) -> None:
    _compare("Unsqueeze", [_random(2, 3), _ints(*axes)])
    compare_with_runtime("Unsqueeze", [_random(2, 3)], {"axes": axes}, opset=11)


@pytest.mark.parametrize("axes", [[0], [-1, 0], [2, 4]])
def test_squeeze(axes: list[int]) -> None:
    _compare("Squeeze", [_random(1, 3, 1, 2, 1), _ints(*axes)])


@pytest.mark.parametrize("shape", [[2, 3, 4], [1], [4], [5, 1, 1, 1], [1, 3, 1], []])
def test_expand(shape: list[int]) -> None:
    _compare("Expand", [_random(2, 1, 4) if shape != [2, 3, 4] else _random(3, 1), _ints(*shape)])


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ([1], [4], [0], [1]),
        ([-3], [2**63 - 1], [-1], [2]),
        ([-100, 1], [3, 100], [1, 0], [1, 3]),
        ([-1], [-(2**63)], [0], [-1]),
        ([4, 100], [0, -100], [0, 1], [-2, -3]),
        ([3], [1], [0], [1]),
        ([1], [3], [0], [-1]),
        ([0, 2], [5, 4], [-2, -1], [2, 1]),
    ],
)
def test_slice(starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> None:
    _compare("Slice", [_random(5, 7), _ints(*starts), _ints(*ends), _ints(*axes), _ints(*steps)])


def test_slice_without_axes_and_as_attributes() -> None:
    _compare("Slice", [_random(5, 7), _ints(1, 2), _ints(3, -1)])
    compare_with_runtime("Slice", [_random(5, 7)], {"starts": [1], "ends": [2**31 - 1], "axes": [1]}, opset=9)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize("pads", [[0, 0, 1, 2, 0, 0, 2, 1], [1, 0, 0, 2, 0, 2, 1, 0], [0, 0, -1, 1, 0, 0, 2, -2]])
def test_pad(mode: str, pads: list[int]) -> None:
    inputs = [_random(2, 3, 5, 6), _ints(*pads)] + ([np.array(1.5, np.float32)] if mode == "constant" else [])
    _compare("Pad", inputs, {"mode": mode})


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("index", [2, -1, [1], [0, 1, 2], [-1, 0], [[0, 2], [-2, 1]], [2, 0, 2]])
def test_gather(axis: int, index: Any) -> None:
    _compare("Gather", [_random(3, 4, 5), np.array(index, dtype=np.int64)], {"axis": axis})
    _compare("Gather", [_random(3, 4), np.array(index, dtype=np.int64)], {"axis": axis})


@pytest.mark.parametrize("batch_dims", [0, 1, 2])
def test_gather_nd(batch_dims: int) -> None:
    index = RNG.integers(-2, 2, size=(2, 3, 2) if batch_dims < 2 else (2, 2, 4, 1))
    data = _random(2, 2, 3, 4) if batch_dims != 1 else _random(2, 2, 2, 4)
    _compare("GatherND", [data, index.astype(np.int64)], {"batch_dims": batch_dims})


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
@pytest.mark.parametrize("depth", [1, 2])
def test_scatter_nd(reduction: str, depth: int) -> None:
    index = RNG.integers(-4, 4, size=(3, depth)) if reduction != "none" else np.arange(3 * depth).reshape(3, depth) % 4
    inputs = [_random(4, 4, 2), index.astype(np.int64), _random(3, *(4, 2)[depth - 1 :])]
    compare_with_runtime("ScatterND", inputs, {"reduction": reduction}, opset=18)


@pytest.mark.parametrize("rows", [[1, 2], [0], [3, 1], [-2, -1], [0, 1, 2, 3]])
def test_scatter_nd_of_known_rows(rows: list[int]) -> None:
    inputs = [_random(4, 3), np.array(rows, dtype=np.int64)[:, None], _random(len(rows), 3)]
    compare_with_runtime("ScatterND", inputs, constants=(1,), opset=18)


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
@pytest.mark.parametrize("axis", [0, -1])
def test_scatter_elements(reduction: str, axis: int) -> None:
    index = np.array([[0, -1, 1], [1, 0, 2]], dtype=np.int64)
    inputs = [_random(3, 3), index, _random(2, 3)]
    compare_with_runtime("ScatterElements", inputs, {"reduction": reduction, "axis": axis}, opset=18)


_REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare")


@pytest.mark.parametrize("op", _REDUCTIONS)
@pytest.mark.parametrize("axes", [[0], [-1, 1], [], None])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reductions(op: str, axes: list[int] | None, keepdims: int) -> None:
    data = np.abs(_random(2, 3, 4)) + 0.5
    inputs = [data] if axes is None else [data, _ints(*axes)]
    _compare(f"Reduce{op}", inputs, {"keepdims": keepdims}, opset=18)
    if axes and op != "Sum":
        compare_with_runtime(f"Reduce{op}", [data], {"keepdims": keepdims, "axes": axes}, opset=11)


@pytest.mark.parametrize("op", ["Max", "Mean", "Min", "Prod", "Sum", "SumSquare", "L1"])
def test_reductions_of_integers_keep_their_type(op: str) -> None:
    _compare(f"Reduce{op}", [RNG.integers(1, 9, size=(3, 4)).astype(np.int32), _ints(1)], opset=18)


@pytest.mark.parametrize(("largest", "axis"), [(1, -1), (0, 0), (1, 1)])
def test_top_k_prefers_lower_indices(largest: int, axis: int) -> None:
    data = RNG.integers(0, 4, size=(3, 8, 6)).astype(np.float32)
    attributes = {"largest": largest, "axis": axis}
    _compare("TopK", [data, _ints(3)], attributes, outputs=2, types=[onnx.TensorProto.FLOAT, _INT64])


@pytest.mark.parametrize("exponent", [np.float32(2), np.float32(0.5), np.float32(-1), np.int64(3), _random(3)])
def test_powers(exponent: Array) -> None:
    _compare("Pow", [np.abs(_random(2, 3)), np.asarray(exponent)])


@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
def test_cumulative_sums(exclusive: int, reverse: int) -> None:
    _compare("CumSum", [_random(3, 4), np.array(-1)], {"exclusive": exclusive, "reverse": reverse})


def test_gradients_through_gather_and_scatter() -> None:
    """Rows that are read twice get both gradients; what is written over gets none."""
    table = torch.zeros(4, 2, requires_grad=True)
    index = torch.tensor([1, -1, 1])
    gather = module_of("Gather", [np.zeros((4, 2), np.float32), _ints(0, 0, 0)], {"axis": 0})
    gather(table, index).sum().backward()
    assert table.grad is not None
    assert table.grad.tolist() == [[0, 0], [2, 2], [0, 0], [1, 1]]
    data, updates = torch.zeros(3, 2, requires_grad=True), torch.ones(1, 2, requires_grad=True)
    zeros = [np.zeros((3, 2), np.float32), _ints([0]), np.zeros((1, 2), np.float32)]
    scatter = module_of("ScatterND", zeros)
    (scatter(data, torch.tensor([[1]]), updates) * torch.arange(6.0).reshape(3, 2)).sum().backward()
    assert data.grad is not None
    assert updates.grad is not None
    assert data.grad.tolist() == [[0, 1], [0, 0], [4, 5]]
    assert updates.grad.tolist() == [[2, 3]]


def test_a_row_that_attention_is_closed_to_has_finite_gradients() -> None:
    """where(isnan(softmax(x)), 0, softmax(x)), as torch exports attention."""
    from onnx import helper

    from compressor.bridge import from_onnx

    info = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Softmax", ["x"], ["s"], axis=-1),
        helper.make_node("IsNaN", ["s"], ["broken"]),
        helper.make_node("Where", ["broken", "zero", "s"], ["y"]),
    ]
    zero = onnx.numpy_helper.from_array(np.array(0, np.float32), "zero")
    graph = helper.make_graph(nodes, "g", [info("x", 1, ["n", 3])], [info("y", 1, ["n", 3])], [zero])
    module = from_onnx(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10))
    x = torch.tensor([[1.0, 2.0, 3.0], [-torch.inf] * 3, [0.0, -torch.inf, 0.0]], requires_grad=True)
    y = module(x)
    torch.testing.assert_close(y[0], torch.softmax(x[0], 0))
    assert y[1].tolist() == [0, 0, 0]
    assert y[2].tolist() == [0.5, 0, 0.5]
    y[:, 0].sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert x.grad[0].abs().sum() > 0
    assert module(torch.full((1, 3), torch.nan)).tolist() == [[0, 0, 0]]
