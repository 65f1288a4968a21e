"""A module and its file score alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from compressor.bridge import from_onnx
from compressor.errors import UsageError
from compressor.models.demo import demo_card
from compressor.training.data import Part
from compressor.training.data_sources import load_samples
from compressor.training.evaluate import evaluate_file, evaluate_module
from tests.training import digits
from tests.training.small import WANTED, blobs, network


def test_module_and_runtime_agree_to_four_digits() -> None:
    test = digits.samples("test")
    here, there = evaluate_module(from_onnx(digits.model()), test), evaluate_file(digits.model(), test)
    assert here.accuracy == there.accuracy == pytest.approx(demo_card()["accuracy"]["test"], abs=1e-4)
    assert here.loss == pytest.approx(there.loss, rel=1e-4)
    assert here.samples == there.samples == 450


def test_the_batch_size_changes_nothing() -> None:
    test = digits.samples("test")
    assert evaluate_file(digits.model(), test, batch_size=7).loss == pytest.approx(
        evaluate_file(digits.model(), test).loss, rel=1e-5
    )


def test_a_file_of_a_fixed_batch_size(tmp_path: Path) -> None:
    proto = onnx.load(digits.model())
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(proto, tmp_path / "fixed.onnx")
    ten = Part(digits.samples("test"), np.arange(10))
    fixed, free = evaluate_file(tmp_path / "fixed.onnx", ten), evaluate_file(digits.model(), ten)
    assert (fixed.accuracy, fixed.samples) == (free.accuracy, 10)
    assert fixed.loss == pytest.approx(free.loss, rel=1e-5)


def test_the_mode_is_as_before() -> None:
    module = network().train()
    evaluate_module(module, blobs())
    assert module.training


def test_no_labels() -> None:
    with pytest.raises(UsageError, match="evaluation needs labels"):
        evaluate_module(network(), load_samples((np.zeros((4, 6), np.float32),), WANTED))
