"""Graphs on which the fuzzer once found a mismatch, as small as they can be."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.passes.graphs import Weights, analysed, free_indices, prove, reasons, removals


def _i(*numbers: int) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)


def test_the_last_token_stays_the_last_at_every_length() -> None:
    """Gather(-1) on a dynamic axis had become the index of the last token at the first probe."""
    body = "h = MatMul(x, w)\no = Gather<axis=1>(h, last)\ny = MatMul(o, v)"
    analysis = analysed(body, {"w": (3, 6), "v": (6, 2), "last": np.array(-1, np.int64)}, inputs="float[N, S, 3] x")
    assert free_indices(analysis, "w", 1) == 6
    for atoms in removals(analysis):
        prove(analysis, atoms)


def test_groups_and_their_channels_go_together_through_a_decomposed_group_norm() -> None:
    """The masked original cut the scale of InstanceNormalization down to the groups that stay, but not its input."""
    body = """
    h = Conv(x, w)
    g = Reshape(h, to_groups)
    n = InstanceNormalization(g, ones, zeros)
    o = Reshape(n, back)
    y = Conv(o, v)
    """
    weights: Weights = {
        "w": (8, 3, 1, 1), "v": (5, 8, 1, 1), "ones": np.ones(4, np.float32), "zeros": np.zeros(4, np.float32),
        "to_groups": _i(0, 4, -1), "back": _i(0, 8, 4, 4),
    }  # fmt: skip
    analysis = analysed(body, weights, inputs="float[N, 3, 4, 4] x")
    assert any(space.soft for space in analysis.spaces)
    for atoms in removals(analysis, shares=(0.3, 0.5, 0.9)):
        prove(analysis, atoms)


def test_a_mean_that_drops_its_axis_leaves_the_next_one_alone() -> None:
    """The masked original spread the axis that had taken the dropped one's number."""
    body = """
    h = MatMul(x, w)
    five = Reshape(h, cut)
    m = ReduceMean<keepdims=0>(five, over)
    o = Relu(m)
    y = MatMul(o, v)
    """
    weights: Weights = {"w": (3, 15), "v": (5, 2), "cut": _i(0, 3, 5), "over": _i(1)}
    analysis = analysed(body, weights, inputs="float[N, 3] x")
    assert sorted((space.size, space.soft) for space in analysis.spaces) == [(3, True), (5, False)]
    for atoms in removals(analysis, shares=(0.4, 0.5)):
        prove(analysis, atoms)


@pytest.mark.parametrize(
    "pick",
    [
        "part = Slice(flat, start, end, zero)",
        "part = Gather(flat, last)",
        "part = Pad(flat, margins)",
        "part = Concat<axis=0>(flat, more)",
        "part, rest = Split<num_outputs=2>(flat)",
    ],
)
def test_rows_of_an_axis_of_variable_length_are_not_told_apart(pick: str) -> None:
    """Batch and channels in one axis: which channel stands eighth from the end, the size decides."""
    body = f"h = MatMul(x, w)\nflat = Reshape(h, all)\n{pick}\no = Reshape(part, rows)\ny = MatMul(o, v)"
    given: Weights = {"start": _i(-8), "end": _i(2**31), "zero": _i(0), "last": _i(-4, -3, -2, -1),
                      "margins": _i(4, 0), "more": (4,)}  # fmt: skip
    used = {name: value for name, value in given.items() if name in pick.replace("(", " ").replace(",", " ")}
    analysis = analysed(
        body, {"w": (3, 4), "v": (4, 2), "all": _i(-1), "rows": _i(-1, 4), **used}, inputs="float[N, 3] x"
    )
    assert free_indices(analysis, "w", 1) == 0
    assert "variable length" in reasons(analysis)["w:1"]


@pytest.mark.parametrize("between", [_i(2, -1), _i(4, -1), _i(2, -1, 3), _i(-1, 2), _i(-1, 12)])
def test_a_reshape_that_mixes_rows_of_a_dynamic_batch_lines_up_at_every_batch(between: NDArray[np.int64]) -> None:
    """The labels were those of the first probe's batch; of the second they would have been others."""
    body = "h = MatMul(x, w)\na = Reshape(h, between)\nr = Relu(a)\no = Reshape(r, back)\ny = MatMul(o, v)"
    weights: Weights = {"w": (3, 12), "v": (12, 2), "between": between, "back": _i(-1, 12)}
    analysis = analysed(body, weights, inputs="float[N, 3] x")
    for atoms in removals(analysis, shares=(0.3, 0.6)):
        prove(analysis, atoms)


def test_a_transposed_batch_is_not_read_as_channels() -> None:
    body = "h = MatMul(x, w)\nt = Transpose(h)\nr = Relu(t)\no = Reshape(r, back)\ny = MatMul(o, v)"
    analysis = analysed(body, {"w": (3, 6), "v": (6, 2), "back": _i(-1, 6)}, inputs="float[N, 3] x")
    assert free_indices(analysis, "w", 1) == 0
    assert "cuts across channels" in reasons(analysis)["w:1"]


def test_batch_and_heads_in_one_axis_keep_their_heads() -> None:
    """What lines up at every batch may go on: [N, H, S, D] -> [N*H, S, D] -> [N, H, S, D]."""
    body = """
    h = MatMul(x, w)
    four = Reshape(h, heads)
    turned = Transpose<perm=[0, 2, 1, 3]>(four)
    three = Reshape(turned, folded)
    r = Relu(three)
    back = Reshape(r, unfolded)
    again = Transpose<perm=[0, 2, 1, 3]>(back)
    o = Reshape(again, joined)
    y = MatMul(o, v)
    """
    weights: Weights = {
        "w": (3, 12), "v": (12, 2), "heads": _i(0, 0, 3, 4), "folded": _i(-1, 5, 4), "unfolded": _i(-1, 3, 5, 4),
        "joined": _i(0, 0, 12),
    }  # fmt: skip
    analysis = analysed(body, weights, inputs="float[N, 5, 3] x")
    assert sorted(space.size for space in analysis.spaces) == [3, 4]
    for atoms in removals(analysis):
        prove(analysis, atoms)
