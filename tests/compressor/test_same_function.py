"""Graphs that compute the same, and graphs that do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compressor.errors import VerificationError
from compressor.model_io import from_proto
from compressor.passes.analysis import analyse
from compressor.same_function import prove_same
from tests.passes.graphs import model

BODY = "h = Gemm(x, W, b)\ny = Relu(h)"


def graph(scale: float = 1.0, inputs: str = "float[N, 6] x") -> Any:
    rng = np.random.default_rng(0)
    weights = {
        "W": (scale * rng.standard_normal((6, 4))).astype(np.float32),
        "b": rng.standard_normal(4).astype(np.float32),
    }
    return from_proto(model(BODY, weights, inputs=inputs))


def test_the_same_function_is_tried_at_two_sizes() -> None:
    told: list[tuple[int, int]] = []
    proof = prove_same(
        analyse(graph()), graph(1 + 1e-7), what="nothing", progress=lambda done, total: told.append((done, total))
    )
    assert proof.max_error < 1e-5
    assert len({tuple(sizes.values()) for sizes in proof.sizes}) == 2
    assert told == [(1, 2), (2, 2)]


@pytest.mark.parametrize("scale", [1.001, -1.0, float("nan")])
def test_another_function_is_refused(scale: float) -> None:
    with pytest.raises(VerificationError, match="the pass changed the function"):
        prove_same(analyse(graph()), graph(scale), what="the pass")


def test_another_interface_is_refused() -> None:
    with pytest.raises(VerificationError, match="changed inputs or outputs"):
        prove_same(analyse(graph()), graph(inputs="float[3, 6] x"), what="the pass")
