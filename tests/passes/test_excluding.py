"""``exclude``: by parameter, by parameter and axis, by node, by pattern; a name of nothing is an error."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.errors import NothingToPruneError, UsageError
from compressor.passes.cost import CostModel
from compressor.passes.excluding import without_excluded
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.selection import Options, Target, candidates, select
from tests.passes.graphs import analysed

BODY = """
h = Conv(x, stem.w)
i = Relu(h)
j = Conv(i, body.0.w)
k = Relu(j)
l = Conv(k, body.1.w)
m = Relu(l)
y = Conv(m, head.w)
"""
SIZES = {"stem.w": (6, 3, 1, 1), "body.0.w": (8, 6, 1, 1), "body.1.w": (10, 8, 1, 1), "head.w": (4, 10, 1, 1)}
ANALYSIS = analysed(BODY.replace(".", "_"), {name.replace(".", "_"): s for name, s in SIZES.items()},
                    inputs="float[N, 3, 5, 5] x")  # fmt: skip


def _left(*excluded: str) -> list[str]:
    return [space.name for space in without_excluded(ANALYSIS.spaces, excluded)]


@pytest.mark.parametrize(
    ("excluded", "left"),
    [
        ((), ["stem_w[0]", "body_0_w[0]", "body_1_w[0]"]),
        (("stem_w",), ["body_0_w[0]", "body_1_w[0]"]),
        (("body_0_w",), ["body_1_w[0]"]),  # its input channels stay, too
        (("body_0_w[0]",), ["stem_w[0]", "body_1_w[0]"]),
        (("body_0_w[1]",), ["body_0_w[0]", "body_1_w[0]"]),  # the space has another parameter's name
        (("l",), ["stem_w[0]"]),  # a node
        (("body_*",), []),
        (("body_[1]_w", "stem_w"), []),  # a pattern of body_1_w
        (("head_w", "stem_w"), ["body_0_w[0]"]),
    ],
)
def test_what_is_left(excluded: tuple[str, ...], left: list[str]) -> None:
    assert _left(*excluded) == left
    assert [space.name for space in candidates(ANALYSIS, Options(exclude=excluded))] == left


def test_a_name_of_nothing_is_an_error_with_the_nearest_ones() -> None:
    with pytest.raises(UsageError, match=r"--exclude stemw: no channels are called that.*Did you mean stem_w"):
        _left("body_0_w", "stemw")


def test_excluded_channels_stay_and_the_target_is_met_by_the_others() -> None:
    scores = CRITERIA.get("l1")(ScoreContext(ANALYSIS, 0))
    found = select(ANALYSIS, CostModel(ANALYSIS), scores, Target("macs", 0.5), Options(exclude=("body_0_w[0]",)))
    (excluded,) = (space for space in ANALYSIS.spaces if space.name == "body_0_w[0]")
    assert not np.isin(excluded.atoms, found.atoms).any()
    assert 0.4 < found.after.macs / found.before.macs <= 0.5


def test_where_nothing_is_left_to_cut_it_says_so() -> None:
    scores = CRITERIA.get("l1")(ScoreContext(ANALYSIS, 0))
    with pytest.raises(NothingToPruneError, match="--exclude less"):
        select(ANALYSIS, CostModel(ANALYSIS), scores, Target("macs", 0.5), Options(exclude=("*",)))
