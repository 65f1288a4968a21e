"""Selection: targets are hit within one channel, floors and multiples hold, more to keep never removes more."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.errors import NothingToPruneError, UsageError
from compressor.passes.analysis import Analysis
from compressor.passes.cost import CostModel
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.selection import COUNTED, Metric, Options, Scope, Selection, Target, candidates, counted, select
from tests.passes.graphs import analysed

BODY = """
h = Conv<pads=[1, 1, 1, 1]>(x, w, b)
i = Relu(h)
j = Conv<pads=[1, 1, 1, 1], group=4>(i, k)
l = Add(i, j)
m = Conv(l, u)
p = GlobalAveragePool(m)
f = Flatten(p)
y = Gemm(f, v)
"""
ANALYSIS = analysed(
    BODY,
    {"w": (24, 3, 3, 3), "b": (24,), "k": (24, 6, 3, 3), "u": (40, 24, 1, 1), "v": (40, 10)},
    inputs="float[N, 3, 6, 6] x",
)
MODEL = CostModel(ANALYSIS, {"N": 1})
SCORES = CRITERIA.get("l1")(ScoreContext(ANALYSIS, 0))
SOFT = analysed(
    "h = MatMul(x, w)\nn = LayerNormalization(h, g)\ny = MatMul(n, v)",
    {"w": (6, 16), "g": (16,), "v": (16, 5)},
    inputs="float[N, 3, 6] x",
)


def _select(metric: Metric, keep: float, options: Options | None = None) -> Selection:
    return select(ANALYSIS, MODEL, SCORES, Target(metric, keep), options or Options())


def _kept(analysis: Analysis, selection: Selection) -> list[tuple[int, int]]:
    """(kept, whole) size of every space."""
    return [(s.size - int(np.isin(s.atoms, selection.atoms).sum()), s.size) for s in analysis.spaces]


@pytest.mark.parametrize("metric", COUNTED)
@pytest.mark.parametrize("scope", get_args(Scope))
@given(keep=st.floats(0.3, 0.99))
@settings(max_examples=15, deadline=None)
def test_the_target_is_hit_within_one_channel(metric: Metric, scope: Scope, keep: float) -> None:
    selection = _select(metric, keep, Options(scope=scope))
    before, after = counted(selection.before, metric), counted(selection.after, metric)
    assert after <= keep * before
    assert selection.after == MODEL.cost(selection.atoms)
    if metric != "memory":  # which node has the peak depends on what is left
        one_each = [before - counted(MODEL.cost(space.atoms[:1]), metric) for space in ANALYSIS.spaces]
        assert keep * before - after < max(one_each)


@pytest.mark.parametrize("metric", COUNTED)
@pytest.mark.parametrize("scope", get_args(Scope))
def test_keeping_more_removes_less(metric: Metric, scope: Scope) -> None:
    gone = [set(_select(metric, keep, Options(scope=scope)).atoms) for keep in (0.3, 0.5, 0.7, 0.9)]
    assert gone[0] > gone[1] > gone[2] > gone[3]


@pytest.mark.parametrize("round_to", [2, 4, 8])
def test_kept_sizes_are_multiples(round_to: int) -> None:
    for kept, size in _kept(ANALYSIS, _select("params", 0.7, Options(round_to=round_to))):
        assert kept % round_to == 0 or kept == size


def test_a_floor_holds_in_every_space() -> None:
    options = Options(scope="global-floor", floor=0.4)
    assert all(kept >= 0.4 * size for kept, size in _kept(ANALYSIS, _select("params", 0.5, options)))
    assert any(kept < size for kept, size in _kept(ANALYSIS, _select("params", 0.5, options)))


def test_one_share_for_every_space() -> None:
    for kept, size in _kept(ANALYSIS, _select("channels", 0.5)):
        assert abs(kept - size / 2) <= 1


@pytest.mark.parametrize("scope", get_args(Scope))
def test_the_lowest_scores_of_a_space_go_first(scope: Scope) -> None:
    selection = _select("params", 0.5, Options(scope=scope))
    for space in ANALYSIS.spaces:
        gone = np.isin(space.atoms, selection.atoms)
        if gone.any():
            assert SCORES[space.atoms][gone].max() <= SCORES[space.atoms][~gone].min()


def test_widths_under_a_normalisation_go_only_when_allowed() -> None:
    model, scores = CostModel(SOFT), np.arange(len(SOFT.state.store), dtype=np.float64)
    assert candidates(SOFT, Options()) == []
    with pytest.raises(NothingToPruneError, match="--allow-width"):
        select(SOFT, model, scores, Target("params", 0.5), Options())
    selection = select(SOFT, model, scores, Target("params", 0.5), Options(allow_width=True))
    assert selection.after.params <= 0.5 * selection.before.params


def test_a_target_out_of_reach_says_how_far_it_can_go() -> None:
    with pytest.raises(NothingToPruneError, match=r"0\.\d+ stays when every space is cut to the least"):
        _select("params", 0.0001)


@pytest.mark.parametrize("keep", [0.0, 1.0, -0.1, 1.5, float("nan"), float("inf")])
def test_shares_outside_0_to_1_are_refused(keep: float) -> None:
    with pytest.raises(UsageError, match="not between 0 and 1"):
        Target("params", keep)


@pytest.mark.parametrize("wrong", [{"scope": "local"}, {"floor": 1.0}, {"floor": -0.1}, {"round_to": 0}])
def test_options_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Options(**wrong)  # type: ignore[arg-type]


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown metric"):
        Target("bytes", 0.5)  # type: ignore[arg-type]
