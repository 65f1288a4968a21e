"""Graphs whose shapes or attributes contradict each other: one clear error, whatever the rule met."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import compressor
from compressor.errors import CompressorError, GraphError
from compressor.model_io import from_proto
from compressor.passes.analysis import analyse
from tests.passes.graphs import model

CONV = "y = Conv<kernel_shape=[1, 1], group={group}>(x, W)"


@pytest.mark.parametrize(
    ("group", "weight"), [(0, (4, 3, 1, 1)), (2, (4, 3, 1, 1)), (5, (4, 3, 1, 1)), (1, (4, 9, 1, 1))]
)
def test_a_convolution_that_does_not_fit_is_named(group: int, weight: tuple[int, ...]) -> None:
    graph = from_proto(model(CONV.format(group=group), {"W": weight}, inputs="float[N, 3, 4, 4] x"))
    with pytest.raises(GraphError, match="Conv"):
        analyse(graph)


def test_an_operand_of_the_wrong_type_is_named() -> None:
    graph = from_proto(model("y = MatMul(x, W)", {"W": np.zeros((6, 4), np.int64)}))
    with pytest.raises(GraphError, match="MatMul"):
        analyse(graph)


def test_a_huge_axis_takes_no_memory_and_cannot_be_tried(tmp_path: Path) -> None:
    proto = model("h = MatMul(x, W)\n r = Relu(h)\n y = MatMul(r, V)", {"W": (6, 8), "V": (8, 2)},
                  inputs="float[8589934592, 6] x")  # fmt: skip
    analysis = analyse(from_proto(proto))
    assert [space.size for space in analysis.spaces] == [8]
    onnx.save_model(proto, tmp_path / "m.onnx")
    with pytest.raises(CompressorError, match="does not fit in memory"):
        compressor.compress(tmp_path / "m.onnx", tmp_path / "o.onnx", channels=0.5)
    assert not (tmp_path / "o.onnx").exists()
