"""Spaces in words."""

from __future__ import annotations

import numpy as np

from compressor.passes.describe import describe_spaces
from tests.passes.graphs import analysed


def test_makers_readers_followers_and_what_is_passed() -> None:
    body = "h = Conv(x, w, b)\nn = BatchNormalization(h, s, s, s, s)\nr = Relu(n)\nq = Relu(r)\ny = Conv(q, v)"
    (found,) = describe_spaces(
        analysed(body, {"w": (8, 3, 3, 3), "b": (8,), "s": (8,), "v": (5, 8, 1, 1)}, inputs="float[N, 3, 6, 6] x")
    )
    roles = [(part.role, part.parameter, part.axis) for part in found.parts]
    assert roles[:2] == [("makes", "w", 0), ("follows", "b", 0)]
    assert roles[-1] == ("reads", "v", 1)
    assert {role for role, name, _ in roles if name == "s"} == {"follows"}
    assert found.nodes == (0, 1, 2, 3, 4)
    assert found.results == (0, 1, 2, 3)
    assert found.passes == {"Relu": 2}
    assert found.normalised_by == ()


def test_heads_have_several_indices_a_channel_and_widths_a_normaliser() -> None:
    body = "h = MatMul(x, w)\nn = LayerNormalization(h, s)\ny = MatMul(n, v)"
    (found,) = describe_spaces(analysed(body, {"w": (6, 8), "s": (8,), "v": (8, 5)}))
    assert found.space.soft
    assert found.normalised_by == (1,)
    gru = "h, z = GRU<hidden_size=4>(x, w, r)\ns = Squeeze(h, a)\ny = MatMul(s, v)"
    (found,) = describe_spaces(
        analysed(gru, {"w": (1, 12, 6), "r": (1, 12, 4), "a": np.array([1]), "v": (4, 5)}, inputs="float[S, N, 6] x")
    )
    assert {(part.parameter, part.axis, part.per_channel) for part in found.parts} >= {("w", 1, 3.0), ("r", 2, 1.0)}
