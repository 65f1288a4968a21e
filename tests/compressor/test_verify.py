"""Verification: what counts as equal, what is run, and what it says when it fails."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.errors import CompressorError, GraphError, VerificationError
from compressor.passes.rewrite import remove_atoms
from compressor.verification import TOLERANCES, difference, verify_removal
from tests.passes.graphs import analysed, f32, i64

BODY = "h = MatMul(x, w)\ni = Relu(h)\ny = MatMul(i, v)"
WEIGHTS = {"w": (6, 8), "v": (8, 5)}


@pytest.mark.parametrize(("kind", "small", "large"), [("float64", 1e-11, 1e-6), ("float32", 1e-6, 1e-3),
                                                      ("float16", 2e-3, 1e-1)])  # fmt: skip
def test_the_error_is_relative_to_the_largest_output(kind: str, small: float, large: float) -> None:
    expected = np.array([1.0, -200.0, 0.0], kind)
    for size, fits in ((small, True), (large, False)):
        actual = expected.copy()
        actual[2] = 200 * size
        error, tolerance = difference(actual, expected, "y")
        assert error == pytest.approx(size, rel=0.1)
        assert tolerance == TOLERANCES[kind]
        assert (error <= tolerance) == fits


def test_another_shape_is_infinitely_wrong() -> None:
    assert difference(np.zeros(3, np.float32), np.zeros(4, np.float32), "y")[0] == float("inf")
    assert difference(np.zeros((1, 3), np.float32), np.zeros(3, np.float32), "y")[0] == float("inf")


def test_nan_and_infinities_must_stand_at_the_same_places() -> None:
    expected = f32([1, np.nan, np.inf, -np.inf])
    assert difference(expected.copy(), expected, "y")[0] == 0
    for place, value in ((0, np.nan), (1, 0), (2, -np.inf), (3, 0)):
        actual = expected.copy()
        actual[place] = value
        error, tolerance = difference(actual, expected, "y")
        assert not error <= tolerance


def test_integers_must_be_equal() -> None:
    expected = np.arange(5)
    assert difference(expected.copy(), expected, "y") == (0.0, 0.0)
    assert difference(expected + 1, expected, "y") == (1.0, 0.0)


def test_an_original_without_a_finite_output_proves_nothing() -> None:
    with pytest.raises(GraphError, match="nothing can be proven"):
        difference(f32([np.nan]), f32([np.nan]), "y")


def test_what_was_tried_is_told() -> None:
    analysis = analysed(BODY, WEIGHTS)
    atoms = analysis.spaces[0].atoms[:3]
    seen: list[tuple[int, int]] = []
    evidence = verify_removal(
        analysis, atoms, remove_atoms(analysis, atoms), inputs=4, seed=9, progress=lambda d, t: seen.append((d, t))
    )
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert evidence.inputs == 4
    assert evidence.seed == 9
    assert [set(sizes) for sizes in evidence.sizes] == [{"N"}, {"N"}]
    assert evidence.sizes[0] != evidence.sizes[1]
    assert 0 <= evidence.max_error <= evidence.tolerance == TOLERANCES["float32"]
    assert evidence.to_json()["inputs"] == 4


def test_a_static_model_is_run_at_its_one_size() -> None:
    analysis = analysed(BODY, WEIGHTS, inputs="float[4, 6] x")
    atoms = analysis.spaces[0].atoms[:3]
    assert verify_removal(analysis, atoms, remove_atoms(analysis, atoms)).sizes == [{}]


def test_one_input_is_not_enough_for_two_sizes() -> None:
    analysis = analysed(BODY, WEIGHTS)
    atoms = analysis.spaces[0].atoms[:3]
    assert verify_removal(analysis, atoms, remove_atoms(analysis, atoms), inputs=1).inputs == 2


def test_a_batch_frozen_into_a_shape_is_noticed_at_the_second_size() -> None:
    body = "h = MatMul(x, w)\nr = Reshape(h, s)\ny = MatMul(r, v)"
    analysis = analysed(body, {**WEIGHTS, "s": i64([-1, 8])})
    atoms = analysis.spaces[0].atoms[:3]
    pruned = remove_atoms(analysis, atoms)
    verify_removal(analysis, atoms, pruned)
    shape = next(node for node in pruned.nodes if node.op == "Reshape").inputs[1]
    shape.values = i64([analysis.probes[0].sizes["N"], 5])
    with pytest.raises(CompressorError, match=r"Reshape|differs"):
        verify_removal(analysis, atoms, pruned)


def test_the_failure_names_output_and_first_tensor_and_asks_for_a_report() -> None:
    analysis = analysed(BODY, WEIGHTS)
    atoms = analysis.spaces[0].atoms[:3]
    pruned = remove_atoms(analysis, atoms)
    weight = pruned.tensors()["v"]
    weight.values = weight.values * f32(1.01)
    with pytest.raises(VerificationError, match="differs from the masked original by") as caught:
        verify_removal(analysis, atoms, pruned)
    assert caught.value.where == "output 'y'"
    assert caught.value.fix is not None
    assert "first tensor that differs is 'y'" in caught.value.what
    assert "report" in caught.value.fix


def test_a_model_too_large_for_a_message_is_proven_through_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    analysis = analysed(BODY, WEIGHTS)
    atoms = analysis.spaces[0].atoms[:3]
    pruned = remove_atoms(analysis, atoms)
    within = verify_removal(analysis, atoms, pruned)
    monkeypatch.setattr("compressor.verification._MESSAGE_BYTES", 16)
    monkeypatch.setattr("compressor.verification.to_proto", None)
    assert verify_removal(analysis, atoms, pruned) == within
