"""Sensitivities: an error of the last layer arrives whole, one in a branch that is added to more arrives in part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compressor.data_statistics import DataStatistics
from compressor.passes.products import products_of
from compressor.passes.scores import ScoreContext
from compressor.passes.sensitivity import Sensitivities
from tests.passes.graphs import analysed

Floats = np.ndarray[Any, np.dtype[np.float32]]
ROWS: Floats = np.random.default_rng(3).standard_normal((256, 6)).astype(np.float32)


def _found(body: str, weights: dict[str, object], rows: Floats = ROWS) -> dict[str, float]:
    analysis = analysed(body, weights)  # type: ignore[arg-type]
    context, products = ScoreContext(analysis, 0, DataStatistics(rows)), products_of(analysis)
    sensitivities = Sensitivities(context, products)
    found = {}
    for product, moments in context.statistics.moments(analysis, products):
        matrices = product.matrices(np.asarray(analysis.graph.tensors()[product.initializer].values, np.float64))
        variance = float(np.einsum("gok,gkl,gol->", matrices, moments.covariance, matrices))
        found[product.initializer] = sensitivities.of(product, moments, variance)
    return found


def test_the_last_layer_counts_whole() -> None:
    assert _found("y = MatMul(x, w)", {"w": (6, 5)})["w"] == pytest.approx(1, rel=0.1)


def test_a_small_branch_counts_by_its_share_of_the_variance() -> None:
    rng = np.random.default_rng(0)
    large, small = (rng.standard_normal((6, 5)).astype(np.float32) * scale for scale in (1.0, 0.1))
    found = _found("a = MatMul(x, w)\nb = MatMul(x, v)\ny = Add(a, b)", {"w": large, "v": small})
    assert found["w"] == pytest.approx(1, rel=0.2)
    assert 0.005 < found["v"] < 0.03  # its share of the variance is 0.01


def test_what_changes_nothing_still_counts_a_little() -> None:
    found = _found("a = MatMul(x, w)\nb = MatMul(x, v)\nc = Mul(b, o)\ny = Add(a, c)",
                   {"w": (6, 5), "v": (6, 5), "o": np.zeros(1, np.float32)})  # fmt: skip
    assert 0 < found["v"] < 0.01 * found["w"]


def test_without_outputs_of_numbers_all_layers_count_alike() -> None:
    analysis = analysed("a = MatMul(x, w)\nr = Relu(a)\nb = MatMul(r, v)\ny = ArgMax<axis = 1>(b)",
                        {"w": (6, 8), "v": (8, 5)}, outputs="int64 y")  # fmt: skip
    context, products = ScoreContext(analysis, 0, DataStatistics(ROWS)), products_of(analysis)
    errors = list(
        context.statistics.output_errors(
            analysis, ((p, np.zeros(s)) for p, s in zip(products, [(6, 8), (8, 5)], strict=True)), 8
        )
    )
    assert errors == [0.0, 0.0]
    sensitivities = Sensitivities(context, products)
    moments = context.statistics.moments(analysis, products)
    assert [sensitivities.of(product, found, 2.0) for product, found in moments] == [1.0, 1.0]


def test_a_change_stays_with_its_node_and_leaves_the_graph_alone() -> None:
    weight = np.eye(6, dtype=np.float32)
    analysis = analysed("a = MatMul(x, w)\nb = Relu(a)\nc = MatMul(b, w)\ny = Add(c, x)", {"w": weight})
    first, second = products_of(analysis)
    statistics = DataStatistics(ROWS)
    same, other = statistics.output_errors(analysis, [(first, np.eye(6)), (second, np.zeros((6, 6)))], 64)
    assert same == 0
    assert 0.1 < other < 0.9  # x is still there, and the first use of w
    np.testing.assert_array_equal(analysis.graph.tensors()["w"].values, weight)
