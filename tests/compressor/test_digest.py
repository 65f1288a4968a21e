"""The digest follows what a graph computes and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from compressor import model_io
from tests.compressor import small_models as small
from tests.compressor.test_model_io import MODELS, annotated_model


def digest_of(proto: onnx.ModelProto) -> str:
    return model_io.digest(model_io.from_proto(proto))


def _no_docs(proto: onnx.ModelProto) -> None:
    proto.doc_string = proto.graph.doc_string = proto.graph.node[0].doc_string = ""
    proto.graph.node[0].attribute[0].ClearField("doc_string")


def _bigger_weight(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].CopyFrom(small.tensor("w", small.WEIGHT + 1))


def _one_bit(proto: onnx.ModelProto) -> None:
    data = bytearray(proto.graph.initializer[0].raw_data)
    data[0] ^= 1
    proto.graph.initializer[0].raw_data = bytes(data)


def _typed_weight(proto: onnx.ModelProto) -> None:
    typed = helper.make_tensor("w", onnx.TensorProto.FLOAT, small.WEIGHT.shape, small.WEIGHT.ravel().tolist())
    proto.graph.initializer[0].CopyFrom(typed)


def _other_subgraph(proto: onnx.ModelProto) -> None:
    branches = {item.name: item.g for item in proto.graph.node[1].attribute}
    branches["then_branch"].node[0].op_type = "Mul"


def _rename_hidden(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].output[0] = proto.graph.node[1].input[0] = "hidden"


SAME: list[Callable[[onnx.ModelProto], object]] = [
    _no_docs,
    _typed_weight,
    lambda proto: proto.ClearField("metadata_props"),
    lambda proto: proto.graph.ClearField("value_info"),
    lambda proto: setattr(proto, "producer_name", "another"),
    lambda proto: setattr(proto, "ir_version", 9),
    lambda proto: setattr(proto.graph.node[0], "name", "another"),
    lambda proto: proto.graph.initializer.reverse(),
]
DIFFERENT: list[Callable[[onnx.ModelProto], object]] = [
    _bigger_weight,
    _one_bit,
    _rename_hidden,
    lambda proto: setattr(proto.graph.node[1], "op_type", "Sigmoid"),
    lambda proto: proto.graph.node[0].attribute.add(name="pads", type=7, ints=[0, 0, 0, 0]),
    lambda proto: proto.graph.output.pop(),
    lambda proto: setattr(proto.opset_import[0], "version", 18),
    lambda proto: setattr(proto.graph.input[0].type.tensor_type.shape.dim[2], "dim_value", 7),
]


@pytest.mark.parametrize("change", SAME)
def test_what_does_not_count(change: Callable[[onnx.ModelProto], object]) -> None:
    proto = annotated_model()
    before = digest_of(proto)
    change(proto)
    assert digest_of(proto) == before


@pytest.mark.parametrize("change", DIFFERENT)
def test_what_counts(change: Callable[[onnx.ModelProto], object]) -> None:
    proto = annotated_model()
    before = digest_of(proto)
    change(proto)
    assert digest_of(proto) != before


def test_subgraphs_count() -> None:
    proto = small.if_model()
    before = digest_of(proto)
    _other_subgraph(proto)
    assert digest_of(proto) != before


@pytest.mark.parametrize("name", MODELS)
def test_the_way_of_storing_does_not_count(name: str, tmp_path: Path) -> None:
    proto = MODELS[name]()
    onnx.save(proto, tmp_path / "inside.onnx")
    onnx.save(proto, tmp_path / "beside.onnx", save_as_external_data=True, size_threshold=0)
    expected = digest_of(MODELS[name]())
    assert expected.startswith("sha256:")
    assert len(expected) == len("sha256:") + 64
    for path in tmp_path.glob("*.onnx"):
        graph = model_io.read(path)
        assert model_io.digest(graph) == expected
        for node in graph.nodes:  # nor does having loaded the values
            for tensor in node.inputs:
                if hasattr(tensor, "values"):
                    assert isinstance(tensor.values, np.ndarray)
        assert model_io.digest(graph) == expected
