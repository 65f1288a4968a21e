"""Each kind of layer, seen as rows times matrix plus bias, gives what ONNX Runtime gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compressor.model_io import from_proto
from compressor.passes.recovery.layers import find_layers
from compressor.verification import opened
from tests.passes.graphs import f32, model

CONV = "float[N, 4, H, W] x"
LINE = "float[N, 4, L] x"
SOLID = "float[N, 4, D, H, W] x"
Case = tuple[str, dict[str, Any], str, tuple[int, ...]]
CASES: dict[str, Case] = {
    "conv": ("y = Conv(x, w, b)", {"w": (6, 4, 3, 3), "b": (6,)}, CONV, (2, 4, 7, 8)),
    "conv-no-bias": ("y = Conv<pads = [1, 2, 0, 1]>(x, w)", {"w": (6, 4, 3, 2)}, CONV, (2, 4, 7, 8)),
    "conv-strided-dilated": (
        "y = Conv<strides = [2, 3], dilations = [2, 1], pads = [1, 1, 1, 1]>(x, w, b)",
        {"w": (6, 4, 3, 3), "b": (6,)}, CONV, (2, 4, 9, 11),
    ),
    "conv-grouped": ("y = Conv<group = 2>(x, w, b)", {"w": (6, 2, 3, 3), "b": (6,)}, CONV, (2, 4, 7, 8)),
    "conv-depthwise": ("y = Conv<group = 4>(x, w, b)", {"w": (8, 1, 3, 3), "b": (8,)}, CONV, (2, 4, 7, 8)),
    "conv-upper": (
        'y = Conv<auto_pad = "SAME_UPPER", strides = [2, 2]>(x, w)', {"w": (6, 4, 3, 2)}, CONV, (2, 4, 7, 8)
    ),
    "conv-lower": (
        'y = Conv<auto_pad = "SAME_LOWER", strides = [2, 3]>(x, w)', {"w": (6, 4, 4, 3)}, CONV, (2, 4, 8, 8)
    ),
    "conv-valid": ('y = Conv<auto_pad = "VALID">(x, w)', {"w": (6, 4, 2, 2)}, CONV, (2, 4, 5, 6)),
    "conv-1d": ("y = Conv<pads = [1, 1]>(x, w, b)", {"w": (6, 4, 3), "b": (6,)}, LINE, (2, 4, 9)),
    "conv-3d": ("y = Conv<strides = [1, 2, 1]>(x, w)", {"w": (5, 4, 2, 3, 1)}, SOLID, (2, 4, 4, 7, 3)),
    "up": ("y = ConvTranspose(x, w, b)", {"w": (4, 6, 3, 2), "b": (6,)}, CONV, (2, 4, 4, 5)),
    "up-strided": (
        "y = ConvTranspose<strides = [2, 3], pads = [1, 0, 2, 1], output_padding = [1, 2]>(x, w, b)",
        {"w": (4, 6, 3, 4), "b": (6,)}, CONV, (2, 4, 4, 5),
    ),
    "up-grouped": (
        "y = ConvTranspose<strides = [2, 2], dilations = [2, 1], group = 2>(x, w)", {"w": (4, 3, 3, 2)}, CONV,
        (2, 4, 4, 5),
    ),
    "up-cropped": ("y = ConvTranspose<pads = [3, 3, 3, 3]>(x, w)", {"w": (4, 6, 3, 3)}, CONV, (2, 4, 6, 7)),
    "up-upper": (
        'y = ConvTranspose<auto_pad = "SAME_UPPER", strides = [2, 2]>(x, w)', {"w": (4, 6, 3, 3)}, CONV, (2, 4, 4, 5)
    ),
    "up-output-shape": (
        "y = ConvTranspose<strides = [2, 2], output_shape = [7, 9]>(x, w)", {"w": (4, 6, 3, 3)}, CONV, (2, 4, 4, 5)
    ),
    "up-1d": ("y = ConvTranspose<strides = [3]>(x, w)", {"w": (4, 6, 2)}, LINE, (2, 4, 5)),
    "gemm": ("y = Gemm(x, w, b)", {"w": (6, 5), "b": (5,)}, "float[N, 6] x", (3, 6)),
    "gemm-scaled": (
        "y = Gemm<transB = 1, alpha = 0.5, beta = 2.0>(x, w, b)", {"w": (5, 6), "b": (1, 5)}, "float[N, 6] x", (3, 6)
    ),
    "gemm-left": ("y = Gemm<transA = 1>(x, w, b)", {"w": (6, 5), "b": f32(0.5)}, "float[6, N] x", (6, 3)),
    "gemm-no-bias": ("y = Gemm(x, w)", {"w": (6, 5)}, "float[N, 6] x", (3, 6)),
    "gemm-beta-0": ("y = Gemm<beta = 0.0>(x, w, b)", {"w": (6, 5), "b": (5,)}, "float[N, 6] x", (3, 6)),
    "matmul": ("y = MatMul(x, w)", {"w": (6, 5)}, "float[N, S, 6] x", (3, 4, 6)),
    "matmul-bias": ("h = MatMul(x, w)\ny = Add(b, h)", {"w": (6, 5), "b": (1, 5)}, "float[N, S, 6] x", (3, 4, 6)),
    "matmul-left": ("y = MatMul(w, x)", {"w": (5, 6)}, "float[N, 6, S] x", (3, 6, 4)),
    "matmul-vector": ("y = MatMul(x, w)", {"w": (6, 5)}, "float[6] x", (6,)),
}  # fmt: skip
BIASED = {
    "conv": True, "conv-no-bias": True, "up": True, "gemm-no-bias": True, "matmul": False, "matmul-bias": True,
    "matmul-left": False, "gemm-beta-0": True,
}  # fmt: skip


def _opened(name: str) -> tuple[Any, Any, NDArray[Any], NDArray[Any]]:
    """(graph, layer, input, output)."""
    body, weights, inputs, shape = CASES[name]
    graph = from_proto(model(body, weights, inputs=inputs))
    (layer,), refused = find_layers(graph)
    assert not refused
    x = f32(np.random.default_rng(1).standard_normal(shape))
    with opened(graph) as session:
        return graph, layer, x, session.run({"x": x})["y"]


@pytest.mark.parametrize("name", CASES)
def test_rows_times_matrix_is_the_layer(name: str) -> None:
    _, layer, x, y = _opened(name)
    everywhere = np.arange(layer.positions(y.shape))
    found = layer.rows(x, y.shape, everywhere) @ layer.matrix_now() + layer.bias_now()[:, None]
    np.testing.assert_allclose(found, layer.outputs(y, everywhere), atol=1e-4)
    assert found.shape[1] == everywhere.size > 1 or name == "matmul-vector"
    some = everywhere[::3]
    np.testing.assert_array_equal(layer.rows(x, y.shape, some), layer.rows(x, y.shape, everywhere)[:, ::3])
    assert layer.shape == (found.shape[0], layer.matrix_now().shape[1], found.shape[2])


@pytest.mark.parametrize("name", CASES)
def test_what_is_stored_is_what_the_runtime_computes(name: str) -> None:
    graph, layer, x, y = _opened(name)
    rng = np.random.default_rng(2)
    matrix = rng.standard_normal(layer.matrix_now().shape)
    bias = rng.standard_normal(layer.bias_now().shape) if layer.bias is not None else None
    everywhere = np.arange(layer.positions(y.shape))
    expected = layer.rows(x, y.shape, everywhere) @ matrix + (0 if bias is None else bias[:, None])
    layer.store(matrix, bias)
    with opened(graph) as session:
        found = session.run({"x": x})["y"]
    np.testing.assert_allclose(layer.outputs(found, everywhere), expected, atol=1e-4)
    np.testing.assert_allclose(layer.matrix_now(), matrix, rtol=1e-6)
    if name in BIASED:
        assert (layer.bias is not None) == BIASED[name]


@pytest.mark.parametrize(
    ("body", "weights", "why"),
    [
        ("h = MatMul(x, w)\ny = MatMul(h, w)", {"w": (6, 6)}, "several places"),
        ("t = Transpose(w)\ny = MatMul(x, t)", {"w": (5, 6)}, "computed"),
        ("y = MatMul(x, w)", {"w": (2, 6, 5)}, "3 axes"),
        ("y = Gemm(x, w, b)", {"w": (6, 5), "b": (3, 5)}, "no vector"),
        ("t = ReduceSum<keepdims = 0>(x)\ny = Gemm(x, w, t)", {"w": (6, 5)}, "bias is computed"),
        ("y = Gemm<alpha = 0.0>(x, w)", {"w": (6, 5)}, "alpha"),
    ],
)
def test_what_cannot_be_solved_for_says_why(body: str, weights: dict[str, Any], why: str) -> None:
    layers, refused = find_layers(from_proto(model(body, weights)))
    assert not layers
    assert why in next(iter(refused.values()))


def test_a_product_of_two_activations_is_no_layer() -> None:
    found = find_layers(from_proto(model("t = Transpose(x)\ny = MatMul(t, x)", {})))
    assert found == ([], {})


def test_a_bias_that_others_read_is_not_changed_for_them() -> None:
    weights = {"w": (6, 5), "v": (6, 5), "b": (5,)}
    graph = from_proto(model("p = Gemm(x, w, b)\nq = Gemm(x, v, b)\ny = Add(p, q)", weights))
    (first, second), _ = find_layers(graph)
    before = second.bias_now()
    first.store(first.matrix_now(), first.bias_now() + 1)
    np.testing.assert_array_equal(second.bias_now(), before)
    np.testing.assert_allclose(first.bias_now(), before + 1, rtol=1e-6)
    with opened(graph) as session:  # two constants under one name would be one
        found = session.run({"x": np.zeros((1, 6), np.float32)})["y"]
    np.testing.assert_allclose(found, 2 * before + 1, rtol=1e-5)
