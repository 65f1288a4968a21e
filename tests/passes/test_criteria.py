"""The contract of every registered criterion."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from compressor.errors import GraphError, UsageError
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.slices import Combine
from tests.passes.criterion_cases import STATISTICS, network, scored

ANALYSIS = network()
NEEDY = [name for name, criterion in CRITERIA.items() if criterion.needs]
ADDITIVE = ("activation", "bn-scale", "fisher", "fpgm", "l1", "taylor")


@pytest.mark.parametrize("combine", get_args(Combine))
@pytest.mark.parametrize("name", CRITERIA.names())
def test_a_criterion_gives_a_number_for_every_label(name: str, combine: Combine) -> None:
    scores = CRITERIA.get(name)(ScoreContext(ANALYSIS, 3, STATISTICS, combine))
    assert scores.shape == (len(ANALYSIS.state.store),)
    assert scores.dtype == np.float64
    assert not np.isnan(scores).any()
    for space in ANALYSIS.spaces:
        own = scores[space.atoms]
        assert (own >= 0).all()
        if not np.isinf(own).all():  # "must stay" is said of whole spaces
            assert np.unique(own).size == space.size  # random weights have no ties


@pytest.mark.parametrize("name", CRITERIA.names())
def test_a_criterion_repeats_itself(name: str) -> None:
    one, two = (scored(ANALYSIS, name, seed=5) for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", CRITERIA.names())
def test_weights_that_hold_nan_are_refused_by_name(name: str) -> None:
    bad = np.ones((6,), np.float32)
    bad[3] = np.nan
    with pytest.raises(GraphError, match="NaN") as caught:
        scored(network(gamma=bad), name)
    assert caught.value.where == "gamma"


@pytest.mark.parametrize("name", NEEDY)
def test_a_criterion_that_needs_data_says_so(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name}.* needs data.*--data"):
        CRITERIA.get(name)(ScoreContext(ANALYSIS, 0))


@pytest.mark.parametrize("name", NEEDY)
def test_nothing_is_kept_from_one_graph_to_the_next(name: str) -> None:
    before = scored(ANALYSIS, name)
    other = network(w2=np.random.default_rng(1).standard_normal((8, 6, 3, 3)).astype(np.float32))
    assert not np.allclose(scored(other, name), before)
    np.testing.assert_array_equal(scored(ANALYSIS, name), before)


@pytest.mark.parametrize("name", ADDITIVE)
def test_sum_mean_and_max_are_of_the_same_slices(name: str) -> None:
    total, mean, most = (scored(ANALYSIS, name, combine) for combine in get_args(Combine))
    for space in ANALYSIS.spaces:
        one, average, largest = total[space.atoms], mean[space.atoms], most[space.atoms]
        if np.isinf(one).all() or not one.any():
            continue
        slices = one / average
        np.testing.assert_allclose(slices, np.round(slices[0]), rtol=1e-9)  # as many slices for every atom
        assert (largest <= one * (1 + 1e-12)).all()
        assert (largest >= average * (1 - 1e-12)).all()


def test_a_combination_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match=r"median.*sum, mean, max"):
        ScoreContext(ANALYSIS, 0, None, "median")  # type: ignore[arg-type]


def test_random_scores_follow_their_seed() -> None:
    one, two = (scored(ANALYSIS, "random", seed=seed) for seed in (1, 2))
    assert (one != two).any()
