"""Rows times matrices are what the ops compute; statistics of rows are those of a plain computation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compressor.backends.base import open_model
from compressor.model_io import to_proto
from compressor.passes.products import products_of
from tests.passes.graphs import analysed

RNG = np.random.default_rng(0)
IMAGE = RNG.standard_normal((3, 4, 9, 8)).astype(np.float32)
SIGNAL = RNG.standard_normal((2, 4, 11)).astype(np.float32)
TOKENS = RNG.standard_normal((2, 5, 4)).astype(np.float32)
PLAIN = RNG.standard_normal((7, 4)).astype(np.float32)

CASES: list[tuple[str, tuple[int, ...], np.ndarray[Any, Any]]] = [
    ("y = Conv(x, w)", (6, 4, 3, 2), IMAGE),
    ("y = Conv<pads = [1, 0, 2, 1], strides = [2, 1], dilations = [1, 2]>(x, w)", (6, 4, 3, 2), IMAGE),
    ('y = Conv<auto_pad = "SAME_UPPER", strides = [2, 2]>(x, w)', (6, 4, 3, 2), IMAGE),
    ('y = Conv<auto_pad = "SAME_LOWER", strides = [2, 2]>(x, w)', (6, 4, 2, 2), IMAGE),
    ('y = Conv<auto_pad = "VALID">(x, w)', (6, 4, 3, 3), IMAGE),
    ("y = Conv<group = 2>(x, w)", (6, 2, 3, 3), IMAGE),
    ("y = Conv<group = 4, pads = [1, 1, 1, 1]>(x, w)", (4, 1, 3, 3), IMAGE),
    ("y = Conv<pads = [2, 2]>(x, w)", (5, 4, 3), SIGNAL),
    ("y = MatMul(x, w)", (4, 6), TOKENS),
    ("y = MatMul(x, w)", (4, 6), PLAIN),
    ("y = MatMul(w, x)", (6, 5), TOKENS),
    ("y = Gemm(x, w)", (4, 6), PLAIN),
    ("y = Gemm<transB = 1>(x, w)", (6, 4), PLAIN),
    ("y = Gemm<transA = 1>(x, w)", (7, 6), PLAIN),
]


@pytest.mark.parametrize(("body", "shape", "data"), CASES, ids=[case[0] for case in CASES])
def test_rows_times_matrices_are_what_the_op_computes(body: str, shape: tuple[int, ...], data: Any) -> None:
    sizes = ", ".join(map(str, data.shape))
    analysis = analysed(body, {"w": shape}, inputs=f"float[{sizes}] x")
    (product,) = products_of(analysis)
    with open_model(to_proto(analysis.graph)) as session:
        expected = session.run({"x": data})["y"]
    rows = product.rows(data)
    found = rows @ product.matrices(analysis.graph.tensors()["w"].values).transpose(0, 2, 1)  # [g, rows, O/g]
    flat = found.transpose(1, 0, 2).reshape(found.shape[1], -1)
    if product.sliding is not None:
        expected = np.moveaxis(expected, 1, -1)
    elif product.data == 1:
        expected = expected.swapaxes(-1, -2)
    np.testing.assert_allclose(np.sort(flat, axis=None), np.sort(expected, axis=None), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(flat, expected.reshape(flat.shape), rtol=1e-4, atol=1e-5)


def test_taps_of_a_transposed_convolution_count_as_outputs() -> None:
    analysis = analysed("y = ConvTranspose<group = 2>(x, w)", {"w": (4, 3, 2, 2)}, inputs="float[3, 4, 9, 8] x")
    (product,) = products_of(analysis)
    weight = analysis.graph.tensors()["w"].values
    matrices, rows = product.matrices(weight), product.rows(IMAGE)
    assert matrices.shape == (2, 12, 2)
    assert rows.shape == (2, 3 * 9 * 8, 2)
    np.testing.assert_array_equal(rows[1].reshape(3, 72, 2)[2, 5], IMAGE[2, 2:, 0, 5])
    np.testing.assert_array_equal(matrices[1][:, 0].reshape(3, 2, 2), weight[2])
    labels = product.output_labels(analysis)
    assert labels.shape == (2, 12)


def test_some_positions_are_rows_of_all() -> None:
    analysis = analysed("y = Conv(x, w)", {"w": (6, 4, 3, 2)}, inputs="float[3, 4, 9, 8] x")
    (product,) = products_of(analysis)
    all_rows = product.rows(IMAGE)[0].reshape(3, 49, 24)
    some = product.rows(IMAGE, 10)[0].reshape(3, 10, 24)
    for sample in range(3):
        assert {row.tobytes() for row in some[sample]} <= {row.tobytes() for row in all_rows[sample]}
        assert len({row.tobytes() for row in some[sample]}) == 10


def test_a_row_knows_the_channel_of_each_number() -> None:
    body = "a = Conv(x, w)\nb = Relu(a)\ny = Conv(b, v)"
    analysis = analysed(body, {"w": (6, 4, 1, 1), "v": (3, 6, 2, 2)}, inputs="float[3, 4, 9, 8] x")
    product = products_of(analysis)[1]
    space = analysis.spaces[0]
    np.testing.assert_array_equal(product.row_labels(analysis), np.repeat(space.atoms, 4)[None])
    np.testing.assert_array_equal(products_of(analysis)[0].output_labels(analysis), space.atoms[None])


def test_factors_of_a_grouped_weight_differ_from_group_to_group() -> None:
    analysis = analysed("y = Conv<group = 2>(x, w)", {"w": (6, 2, 1, 1)}, inputs="float[3, 4, 9, 8] x")
    (product,) = products_of(analysis)
    factors = product.channel_factors(np.array([1.0, 2, 3, 4]), (6, 2, 1, 1))
    np.testing.assert_array_equal(factors[:, :, 0, 0], [[1, 2]] * 3 + [[3, 4]] * 3)
