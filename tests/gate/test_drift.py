"""Drift: numbers that are known, inputs from files in parts, and what cannot be compared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from compressor.errors import CandidateError, UsageError
from compressor.gate.drift_inputs import read_inputs, run_in_parts
from compressor.gate.drift_numbers import drift_of
from tests.backends.small_models import chain, model, value
from tests.gate.small import gated, saved_chain

NAN, INF = float("nan"), float("inf")


def scale(path: Path, factor: float, batch: int | str = "N") -> Path:
    """y = factor * x over 4 numbers."""
    nodes = [helper.make_node("Mul", ["x", "f"], ["y"])]
    proto = model(nodes, [value("x", [batch, 4])], [value("y", [batch, 4])], {"f": np.array([factor], np.float32)})
    onnx.save(proto, str(path))
    return path


def test_four_numbers() -> None:
    a = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]])
    b = np.array([[1.0, 2.0, 2.5], [0.0, 4.0, 0.0]])
    found = drift_of({"y": a}, {"y": b})
    assert found.max_abs == (4.0, "y")
    assert found.max_relative == (1.0, "y")
    assert found.min_cosine == (0.0, "y")
    assert found.min_top1_agreement == (0.5, "y")
    assert found.samples == 2


def test_the_worst_output_is_named() -> None:
    same, off = np.ones((2, 3)), np.full((2, 3), 1.5)
    found = drift_of({"a": same, "b": same}, {"a": same, "b": off})
    assert found.max_abs == (0.5, "b")
    assert found.min_cosine[0] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("a", "b", "error"),
    [
        ([1, NAN], [1, NAN], 0.0),
        ([1, INF], [1, INF], 0.0),
        ([1, INF], [1, -INF], INF),
        ([1, 2], [1, NAN], INF),
        ([1, NAN], [1, 2], INF),
        ([NAN, NAN], [NAN, NAN], 0.0),
        ([0, 0], [0, 0], 0.0),
        ([1e300, 1], [1e300, 2], 1.0),
    ],
)
def test_what_is_not_finite_must_stand_at_the_same_places(a: list[float], b: list[float], error: float) -> None:
    found = drift_of({"y": np.array([a], float)}, {"y": np.array([b], float)})
    assert found.max_abs[0] == error
    assert found.min_cosine[0] == pytest.approx(1.0 if error == 0 or error == 1 else 0.0)


def test_cosine_does_not_depend_on_scale() -> None:
    a = np.array([[3.0, 4.0]])
    for factor in (1e-200, 1.0, 1e200):
        assert drift_of({"y": a}, {"y": factor * a}).min_cosine[0] == pytest.approx(1.0)
    assert drift_of({"y": a}, {"y": 0 * a}).min_cosine[0] == 0.0
    assert drift_of({"y": 0 * a}, {"y": 0 * a}).min_cosine[0] == 1.0


def test_integers_complex_numbers_and_small_floats() -> None:
    import ml_dtypes

    whole = np.array([[1, 2]])
    found = drift_of({"i": whole}, {"i": whole + 1})
    assert found.max_abs == (1.0, "i")
    assert found.min_cosine[0] is None
    turned = drift_of({"c": np.array([1 + 1j])}, {"c": np.array([1 - 1j])})
    assert turned.max_abs[0] == 2.0
    half = np.array([[1.0, 2.0]], ml_dtypes.bfloat16)
    assert drift_of({"b": half}, {"b": half}).max_abs == (0.0, "b")


def test_outputs_must_be_the_same_ones() -> None:
    with pytest.raises(CandidateError, match="outputs were"):
        drift_of({"a": np.ones(2)}, {"b": np.ones(2)})
    with pytest.raises(CandidateError, match="had shape"):
        drift_of({"a": np.ones(2)}, {"a": np.ones(3)})


@pytest.mark.parametrize("batch", ["N", 1, 4])
def test_inputs_from_a_file_run_in_parts(batch: int | str, tmp_path: Path) -> None:
    a, b = scale(tmp_path / "a.onnx", 1.0, batch), scale(tmp_path / "b.onnx", 1.25, batch)
    x = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    np.savez(tmp_path / "inputs.npz", x=x)
    report = gated(
        a, b, tmp_path, drift={"inputs": "inputs.npz", "max_abs": 9, "max_relative": 0.2, "min_cosine": 0.99}
    )
    by_rule = {finding.rule: finding for finding in report.findings}
    assert by_rule["max_abs"].value == pytest.approx(0.25 * np.abs(x).max(), rel=1e-5)
    assert by_rule["max_relative"].value == pytest.approx(0.25, rel=1e-5)
    assert by_rule["max_abs"].details["samples"] == 200
    assert {rule: finding.status for rule, finding in by_rule.items()} == {
        "max_abs": "pass", "max_relative": "fail", "min_cosine": "pass",
    }  # fmt: skip


def test_parts_are_joined_in_order(tmp_path: Path) -> None:
    from compressor.backends.base import open_model

    x = np.arange(800, dtype=np.float32).reshape(200, 4)
    with open_model(scale(tmp_path / "a.onnx", 1.0, 8), threads=1) as session:
        found = run_in_parts("baseline", session, {"x": x}, "onnxruntime-cpu", whole=False)
    np.testing.assert_array_equal(found["y"], x)


def test_made_up_inputs_are_the_same_for_both(tmp_path: Path) -> None:
    model_file = saved_chain(tmp_path / "a.onnx")
    report = gated(model_file, model_file, drift={"max_abs": 0, "samples": 7, "min_top1_agreement": 1})
    assert {finding.status for finding in report.findings} == {"pass"}
    assert report.findings[0].details["samples"] == 7


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.write_text("no archive"), "is no .npz"),
        (lambda path: path.write_bytes(b"PK\x03\x04 broken"), "is no .npz"),
        (lambda path: np.savez(path.open("wb"), x=np.array([{}], dtype=object)), "is no .npz"),
        (lambda path: np.save(path.open("wb"), np.ones(3)), "is no .npz"),
        (lambda path: np.savez(path.open("wb"), x=np.ones((0, 16))), "has no samples"),
        (lambda path: np.savez(path.open("wb")), "has no samples"),
    ],
)
def test_files_that_hold_no_inputs(write: object, says: str, tmp_path: Path) -> None:
    path = tmp_path / "inputs.npz"
    write(path)  # type: ignore[operator]
    with pytest.raises(UsageError, match=says):
        read_inputs(str(path))


def test_inputs_of_another_model_are_wrong_for_the_baseline(tmp_path: Path) -> None:
    onnx.save(chain(1), str(tmp_path / "a.onnx"))
    np.savez(tmp_path / "inputs.npz", other=np.ones((2, 16), np.float32))
    with pytest.raises(UsageError, match=r"do not fit the baseline: .*missing \['x'\], unknown \['other'\]"):
        gated(tmp_path / "a.onnx", tmp_path / "a.onnx", tmp_path, drift={"inputs": "inputs.npz", "max_abs": 1})
