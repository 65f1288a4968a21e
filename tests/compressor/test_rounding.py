"""The floor under the tolerance: what rounding explains is let through, a wrong cut is not."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.backends.inputs import random_feeds
from compressor.errors import VerificationError
from compressor.passes.analysis import Analysis
from compressor.passes.rewrite import remove_atoms
from compressor.rounding import rounding_floors
from compressor.verification import TOLERANCES, differences, opened, verify_removal
from tests.passes.graphs import Weights, analysed, f32, i64

UNIT = 2.0**-23


def _floor(body: str, weights: Weights, inputs: str = "float[4, 6] x") -> tuple[float, float]:
    """Floor of output y on a random input, and its largest magnitude."""
    analysis = analysed(body, weights, inputs=inputs)
    with opened(analysis.graph) as session:
        feeds = random_feeds(session.inputs, seed=0)
        largest = float(np.abs(session.run(feeds)["y"]).max())
    return rounding_floors(analysis.graph, analysis.probes[0].dtypes, feeds, opened)["y"], largest


def test_an_output_that_does_not_cancel_keeps_its_relative_tolerance() -> None:
    floor, largest = _floor("h = MatMul(x, w)\ni = Relu(h)\ny = MatMul(i, v)", {"w": (6, 8), "v": (8, 5)})
    assert 0 < floor < 0.3 * TOLERANCES["float32"] * largest


@pytest.mark.parametrize("size", [1.0, 1000.0])
def test_the_floor_scales_with_what_was_summed(size: float) -> None:
    body = "h = Mul(x, s)\nm = ReduceMean(h, a)\nd = Sub(h, m)\ny = ReduceMean(d, a)"
    floor, largest = _floor(body, {"s": f32([size]), "a": i64([1])})
    assert largest < 4 * UNIT * size
    assert 0.5 * UNIT * size < floor < 200 * UNIT * size


def test_an_output_of_nothing_but_zeros_has_a_floor_too() -> None:
    floor, largest = _floor("h = MatMul(x, w)\ni = Identity(h)\ny = Sub(h, i)", {"w": (6, 8)})
    assert largest == 0
    assert floor > UNIT


def test_noise_that_flips_a_decision_is_capped() -> None:
    """A hair below and above one half: rounding noise turns 0 into 1, which excuses nothing."""
    body = "z = Mul(x, n)\nh = Add(z, half)\nr = Round(h)\ny = Mul(r, big)"
    floor, _ = _floor(body, {"n": f32([1e-8]), "half": f32([0.5]), "big": f32([10.0])})
    assert floor <= 64 * UNIT * 10


def test_sizes_that_noise_changes_leave_no_floor() -> None:
    body = "z = Mul(x, n)\nh = Add(z, one)\ng = Floor(h)\ni = Cast<to=7>(g)\nf = Flatten(i)\ns = ReduceSum(f)\n"
    body += "u = Reshape(s, k)\nt = ConstantOfShape(u)\na = Cast<to=1>(t)\ny = Add(x6, a)"
    floor, _ = _floor(body, {"n": f32([0.0]), "one": f32([1.0]), "k": i64([1])}, "float[4, 6] x, float[24] x6")
    assert floor == 0


CANCELS = "h = MatMul(x, w)\nm = ReduceMean(h, a)\nd = Sub(h, m)\ny = MatMul(d, v)"
_WEIGHTS: Weights = {"w": (6, 8), "v": (8, 5), "a": i64([0])}


def _removed(inputs: str) -> tuple[Analysis, np.ndarray]:
    analysis = analysed(CANCELS, _WEIGHTS, inputs=inputs)
    return analysis, analysis.spaces[0].atoms[:3]


def test_nothing_left_but_rounding_is_equal() -> None:
    """All rows are alike, so the mean over them takes everything off but rounding errors."""
    analysis, atoms = _removed("float[7, 6] x")
    pruned = remove_atoms(analysis, atoms)
    row = np.random.default_rng(0).standard_normal((1, 6)).astype(np.float32)
    feeds = {"x": np.repeat(row, 7, axis=0)}
    with opened(analysis.graph) as session:
        expected = session.run(feeds)
    assert np.abs(expected["y"]).max() < 1e-5
    actual = {"y": -expected["y"] + f32(1e-8)}
    error, tolerance = differences(analysis, analysis.graph, feeds, expected, actual)["y"]
    assert error <= tolerance
    error, tolerance = differences(analysis, analysis.graph, feeds, expected, {"y": expected["y"] + f32(1e-3)})["y"]
    assert error > tolerance
    verify_removal(analysis, atoms, pruned)


def test_a_wrong_cut_is_no_rounding() -> None:
    analysis, atoms = _removed("float[7, 6] x")
    pruned = remove_atoms(analysis, atoms)
    weight = pruned.tensors()["v"]
    weight.values = weight.values * f32(1.001)
    with pytest.raises(VerificationError, match="differs from the masked original by"):
        verify_removal(analysis, atoms, pruned)
