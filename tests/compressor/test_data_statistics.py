"""Statistics over data: right numbers, bounded memory, one batch size, samples evenly taken."""

from __future__ import annotations

import numpy as np
import pytest

from compressor import data_statistics
from compressor.data_statistics import DataStatistics
from compressor.errors import UsageError
from compressor.passes.products import products_of
from tests.passes.criterion_cases import IMAGES, LABELS, STATISTICS, network
from tests.passes.graphs import analysed

ANALYSIS = network()


def test_moments_are_those_of_all_rows() -> None:
    products = products_of(ANALYSIS)
    product, moments = next(iter(STATISTICS.moments(ANALYSIS, products)))
    rows = product.rows(IMAGES)[0].astype(np.float64)
    assert moments.rows == len(rows)
    np.testing.assert_allclose(moments.mean[0], rows.mean(0), atol=1e-6)
    np.testing.assert_allclose(moments.covariance[0], np.cov(rows.T, bias=True), atol=1e-6)


def test_layers_that_do_not_fit_together_take_more_walks(monkeypatch: pytest.MonkeyPatch) -> None:
    products = products_of(ANALYSIS)
    expected = list(STATISTICS.moments(ANALYSIS, products))
    monkeypatch.setattr(data_statistics, "_COVARIANCE_BYTES", 1)
    found = list(STATISTICS.moments(ANALYSIS, products))
    assert [product for product, _ in found] == [product for product, _ in expected] == products
    for (_, one), (_, two) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.covariance, two.covariance)


def test_at_most_so_many_samples_are_taken_from_all_over_the_data() -> None:
    rows = np.arange(1000, dtype=np.float32)[:, None] * np.ones(6, np.float32)
    analysis = analysed("y = MatMul(x, w)", {"w": (6, 4)})
    (second,) = DataStatistics(rows, samples=11).second_moments(analysis, products_of(analysis))
    np.testing.assert_allclose(second, np.mean(np.linspace(0, 999, 11).astype(int) ** 2.0))


def test_a_fixed_batch_is_kept_and_too_little_data_refused() -> None:
    analysis = analysed("y = MatMul(x, w)", {"w": (6, 4)}, inputs="float[8, 6] x")
    rows = np.random.default_rng(0).standard_normal((20, 6)).astype(np.float32)
    (second,) = DataStatistics(rows).second_moments(analysis, products_of(analysis))
    np.testing.assert_allclose(second, (rows[:16].astype(np.float64) ** 2).mean(0))
    with pytest.raises(UsageError, match=r"has 4 samples.* 8 at a time"):
        DataStatistics(rows[:4]).second_moments(analysis, products_of(analysis))


def test_gradients_without_labels_say_what_is_missing() -> None:
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match="no labels"):
        DataStatistics(IMAGES).gradients(ANALYSIS, "given")
    sampled = DataStatistics(IMAGES).gradients(ANALYSIS, "sampled")
    assert sampled.samples == len(LABELS)
    either = DataStatistics(IMAGES).gradients(ANALYSIS, "given or sampled")
    np.testing.assert_array_equal(either.sums["w1"][1], sampled.sums["w1"][1])
    labelled, given = (STATISTICS.gradients(ANALYSIS, which) for which in ("given or sampled", "given"))
    np.testing.assert_array_equal(labelled.sums["w1"][1], given.sums["w1"][1])
    assert (given.sums["w1"][1] != sampled.sums["w1"][1]).any()


def test_uses_that_were_stored_as_one_are_added_up_again() -> None:
    """Two layers whose biases happen to be one initializer: the bridge trains two."""
    pytest.importorskip("torch")
    body = "a = MatMul(x, w)\nb = Add(a, o)\nc = Relu(b)\nd = MatMul(c, v)\ny = Add(d, o)"
    analysis = analysed(body, {"w": (6, 6), "v": (6, 6), "o": np.zeros(6, np.float32)})
    rng = np.random.default_rng(0)
    data = rng.standard_normal((10, 6)).astype(np.float32), rng.standard_normal((10, 6)).astype(np.float32)
    found = DataStatistics(data).gradients(analysis, "given")
    assert set(found.sums) == {"w", "v", "o"}
    assert found.sums["o"][0].shape == (6,)
