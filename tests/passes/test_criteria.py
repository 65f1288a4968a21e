"""The contract of every registered criterion, and what each one's numbers are."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.errors import GraphError
from compressor.passes.scores import CRITERIA, ScoreContext
from tests.passes.graphs import analysed

BODY = "h = MatMul(x, w)\ni = Add(h, b)\nj = Relu(i)\nt = MatMul(j, k)\ny = MatMul(t, v)"
W = {"w": (6, 8), "b": (8,), "k": (8, 7), "v": (7, 5)}
ANALYSIS = analysed(BODY, W)


@pytest.mark.parametrize("name", CRITERIA.names())
def test_a_criterion_gives_a_finite_number_for_every_label(name: str) -> None:
    scores = CRITERIA.get(name)(ScoreContext(ANALYSIS, 3))
    assert scores.shape == (len(ANALYSIS.state.store),)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()
    for space in ANALYSIS.spaces:
        assert np.unique(scores[space.atoms]).size == space.size  # random weights have no ties


@pytest.mark.parametrize("name", CRITERIA.names())
def test_a_criterion_repeats_itself(name: str) -> None:
    one, two = (CRITERIA.get(name)(ScoreContext(ANALYSIS, 5)) for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", CRITERIA.names())
def test_weights_that_hold_nan_are_refused_by_name(name: str) -> None:
    bad = np.ones((8, 7), np.float32)
    bad[3, 2] = np.nan
    analysis = analysed(BODY, {**W, "k": bad})
    with pytest.raises(GraphError, match="NaN") as caught:
        CRITERIA.get(name)(ScoreContext(analysis, 0))
    assert caught.value.where == "k"


def _weights() -> dict[str, np.ndarray]:
    tensors = ANALYSIS.graph.tensors()
    return {name: np.asarray(tensors[name].values, np.float64) for name in W}


def test_l1_sums_what_makes_a_channel_and_what_reads_it() -> None:
    weights = _weights()
    scores = CRITERIA.get("l1")(ScoreContext(ANALYSIS, 0))
    expected = np.abs(weights["w"]).sum(0) + np.abs(weights["b"]) + np.abs(weights["k"]).sum(1)
    np.testing.assert_allclose(scores[ANALYSIS.spaces[0].atoms], expected, rtol=1e-6)


def test_l2_is_the_norm_of_the_whole_group() -> None:
    weights = _weights()
    scores = CRITERIA.get("l2")(ScoreContext(ANALYSIS, 0))
    expected = (weights["w"] ** 2).sum(0) + weights["b"] ** 2 + (weights["k"] ** 2).sum(1)
    np.testing.assert_allclose(scores[ANALYSIS.spaces[0].atoms], np.sqrt(expected), rtol=1e-6)


def test_random_scores_follow_their_seed() -> None:
    one, two = (CRITERIA.get("random")(ScoreContext(ANALYSIS, seed)) for seed in (1, 2))
    assert (one != two).any()
