"""Slices that are cut when they are written: same values, same bytes, memory given back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from onnx import numpy_helper

from compressor.model_io import read, write
from compressor.sliced_values import SlicedValues


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "int4", "float64"])
def test_bytes_are_those_of_the_sliced_array(kind: str) -> None:
    array = np.arange(-12, 12).reshape(4, 6).astype(onnx.helper.tensor_dtype_to_np_dtype(_number(kind)))
    rows, columns = np.array([True, False, True, True]), np.array([True] * 5 + [False])
    expected = np.ascontiguousarray(array[rows][:, columns])
    sliced = SlicedValues(gs.Constant("w", array), [rows, columns])
    assert sliced.shape == (3, 5)
    assert bytes(sliced.raw()) == numpy_helper.from_array(expected).raw_data
    assert np.array_equal(sliced.load(), expected)


def _number(kind: str) -> int:
    return int(onnx.TensorProto.DataType.Value({"float32": "FLOAT", "float64": "DOUBLE"}.get(kind, kind.upper())))


def test_a_streamed_slice_of_external_data_survives_the_round_trip(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 18]> g (float[N, 64] x) => (float[N, 64] y) { y = MatMul(x, w) }'
    )
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    graph = read(tmp_path / "m.onnx")
    keep = np.arange(64) % 3 != 0
    node = graph.nodes[0]
    node.inputs[1] = gs.Constant("w", SlicedValues(node.inputs[1], [keep, None]))
    write(graph, tmp_path / "cut.onnx")
    again = read(tmp_path / "cut.onnx").nodes[0].inputs[1]
    assert np.array_equal(again.values, weight[keep])
