"""What is read is what is written: nothing is lost, nothing is read too early."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from onnx import TensorProto, helper

from compressor import model_io
from compressor.errors import ModelFileError
from compressor.tensor_values import FileValues, TensorValues
from tests.compressor import small_models as small

ZOO = Path(__file__).resolve().parents[3] / "shared" / "zoo"


def annotated_model() -> onnx.ModelProto:
    """A model with something in every place that graphsurgeon forgets."""
    proto = small.conv_model()
    proto.doc_string, proto.domain, proto.model_version = "model doc", "org.example", 7
    proto.producer_name, proto.producer_version = "maker", "1.2"
    proto.opset_import.append(helper.make_opsetid("com.example", 3))
    helper.set_model_props(proto, {"author": "me", "license": "none"})
    graph = proto.graph
    graph.doc_string = "graph doc"
    graph.metadata_props.add(key="g", value="1")
    graph.value_info.append(small.value("c", "n", 16, 3, 3))
    graph.value_info.append(small.value("w", 16, 8, 3, 3))
    graph.quantization_annotation.add(tensor_name="c").quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="b")
    for item in (graph.node[0], graph.input[0], graph.output[0], graph.value_info[0], graph.initializer[0]):
        item.doc_string = f"doc of {item.name}"
        item.metadata_props.add(key="k", value=item.name)
    graph.node[0].attribute[0].doc_string = "attribute doc"
    graph.input[0].type.denotation = "IMAGE"
    graph.input[0].type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    graph.node.append(
        helper.make_node("Twist", ["y"], ["z"], "twist", domain="com.example", overload="o", mode=b"\xff\0")
    )
    for kind in (onnx.AttributeProto.INTS, onnx.AttributeProto.FLOATS, onnx.AttributeProto.STRINGS):
        graph.node[-1].attribute.add(name=f"empty{kind}", type=kind)
    graph.node[-1].attribute.append(
        helper.make_attribute("type", helper.make_tensor_type_proto(TensorProto.FLOAT, [1]))
    )
    graph.node[-1].attribute.append(
        helper.make_attribute("tensors", [small.tensor("a", [1.0]), small.tensor("b", [2])])
    )
    graph.output.append(small.value("z", None))
    onnx.checker.check_model(proto)
    return proto


MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "conv": small.conv_model,
    "annotated": annotated_model,
    "if": small.if_model,
    "loop": small.loop_model,
    "scan": small.scan_model,
}


@pytest.mark.parametrize("name", MODELS)
def test_round_trip_in_memory_loses_nothing(name: str) -> None:
    proto = MODELS[name]()
    assert small.stripped(model_io.to_proto(model_io.from_proto(proto))) == small.stripped(proto)


@pytest.mark.parametrize("name", MODELS)
def test_round_trip_through_files_loses_nothing(name: str, tmp_path: Path) -> None:
    proto = MODELS[name]()
    onnx.save(proto, tmp_path / "a.onnx")
    model_io.write(model_io.read(tmp_path / "a.onnx"), tmp_path / "b.onnx")
    assert small.stripped(onnx.load(tmp_path / "b.onnx")) == small.stripped(proto)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]


@pytest.mark.skipif(not ZOO.is_dir(), reason="../shared/zoo is not there")
@pytest.mark.parametrize("name", ["tv_resnet18.leg", "tv_shufflenet_v2_x1_0-dynaxes.dyn", "hf_gpt2-dynaxes.leg"])
def test_round_trip_of_exporters_files(name: str) -> None:
    _assert_zoo_round_trip(name)


@pytest.mark.zoo
@pytest.mark.skipif(not ZOO.is_dir(), reason="../shared/zoo is not there")
def test_round_trip_of_the_whole_zoo() -> None:
    names = sorted(path.name.removesuffix(".onnx.xz") for path in ZOO.glob("*.onnx.xz"))
    assert len(names) > 100
    for name in names:
        _assert_zoo_round_trip(name)


def _assert_zoo_round_trip(name: str) -> None:
    sys.path.insert(0, str(ZOO))
    try:
        import zoo  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(ZOO))
    proto = zoo.load(name)
    back = model_io.to_proto(model_io.from_proto(proto))
    for message in (proto, back):  # the only thing without an order
        infos = sorted(message.graph.value_info, key=lambda info: info.name)
        del message.graph.value_info[:]
        message.graph.value_info.extend(infos)
    assert small.stripped(back) == small.stripped(proto), name


@pytest.mark.parametrize("opset", [9, 11, 13, 17, onnx.defs.onnx_opset_version()])
def test_opset_is_kept(opset: int) -> None:
    back = model_io.to_proto(model_io.from_proto(small.conv_model(opset)))
    assert [(entry.domain, entry.version) for entry in back.opset_import] == [("", opset)]


def test_weights_are_not_read_before_they_are_asked_for(tmp_path: Path) -> None:
    onnx.save(small.conv_model(), tmp_path / "m.onnx")
    graph = model_io.read(tmp_path / "m.onnx")
    weight = graph.nodes[0].inputs[1]
    assert isinstance(weight._values, FileValues)
    assert (weight.shape, weight.dtype) == ((16, 8, 3, 3), np.float32)
    np.testing.assert_array_equal(weight.values, small.WEIGHT)
    assert not weight.values.flags.writeable
    assert weight.values.flags.aligned


def test_what_was_read_stays_when_the_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(small.conv_model(), path)
    graph = model_io.read(path)
    (tmp_path / "other").write_bytes(b"something else")
    (tmp_path / "other").replace(path)
    np.testing.assert_array_equal(graph.nodes[0].inputs[1].values, small.WEIGHT)


def test_a_file_can_be_written_over_itself(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(small.conv_model(), path)
    model_io.write(model_io.read(path), path)
    assert small.stripped(onnx.load(path)) == small.stripped(small.conv_model())


def test_new_weights_and_attributes_are_written() -> None:
    graph = model_io.from_proto(small.conv_model())
    conv = graph.nodes[0]
    conv.inputs[1].values = small.WEIGHT[:4]
    conv.inputs[2] = gs.Constant("b", np.arange(4, dtype=np.float32))
    graph.outputs[0].shape = ["n", 4, 3, 3]
    conv.attrs["kernel_shape"] = [np.int64(3), 3]
    back = model_io.to_proto(graph)
    onnx.checker.check_model(back, full_check=True)
    x = np.ones((2, 8, 5, 5), np.float32)
    np.testing.assert_array_equal(small.run(back, {"x": x})[0], small.run(small.conv_model(), {"x": x})[0][:, :4])


def test_lazy_values_do_not_load_twice_while_in_use() -> None:
    values = model_io.from_proto(small.conv_model()).nodes[0].inputs[1]._values
    assert isinstance(values, TensorValues)
    first = values.load()
    assert values.load() is first


def test_graphsurgeon_itself_can_export_what_was_read(tmp_path: Path) -> None:
    onnx.save(small.conv_model(), tmp_path / "m.onnx")
    exported = gs.export_onnx(model_io.read(tmp_path / "m.onnx"))
    weight = next(item for item in exported.graph.initializer if item.name == "w")
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(weight), small.WEIGHT)


def test_initializers_listed_as_inputs_stay_listed() -> None:
    proto = small.conv_model()
    old = small.model(
        list(proto.graph.node),
        [small.value("b", 16), proto.graph.input[0], small.value("w", 16, 8, 3, 3)],
        list(proto.graph.output),
        list(proto.graph.initializer),
        opset=9,
        ir_version=3,
    )
    graph = model_io.from_proto(old)
    assert [tensor.name for tensor in graph.inputs] == ["x"]
    assert small.stripped(model_io.to_proto(graph)) == small.stripped(old)


def test_two_gib_do_not_fit_into_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_io, "_PROTOBUF_LIMIT_BYTES", 4000)
    with pytest.raises(ModelFileError, match=r"larger than 2 GiB.*Write it to a file"):
        model_io.to_proto(model_io.from_proto(small.conv_model()))


def test_same_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert model_io.same_file(tmp_path / "a", tmp_path / "link")
    assert model_io.same_file(tmp_path / "new", tmp_path / "." / "new")
    assert not model_io.same_file(tmp_path / "a", tmp_path / "new")


def feeds(name: str) -> dict[str, Any]:
    x = np.random.default_rng(1).standard_normal
    known: dict[str, dict[str, Any]] = {
        "if": {"x": x((2, 32), np.float32), "flag": np.array(False)},
        "loop": {"n": np.array(3, np.int64), "x": x(4, np.float32)},
        "scan": {"start": x(2, np.float32), "xs": x((5, 2), np.float32)},
    }
    return known[name]


@pytest.mark.parametrize("name", ["if", "loop", "scan"])
def test_subgraphs_still_compute_the_same(name: str) -> None:
    proto = MODELS[name]()
    back = model_io.to_proto(model_io.from_proto(proto))
    for expected, got in zip(small.run(proto, feeds(name)), small.run(back, feeds(name)), strict=True):
        np.testing.assert_array_equal(expected, got)


def test_a_captured_initializer_may_be_replaced() -> None:
    graph = model_io.from_proto(small.if_model())
    matmul = graph.nodes[1].attrs["then_branch"].nodes[0]
    matmul.inputs[1] = gs.Constant("brand_new", np.eye(32, dtype=np.float32))
    back = model_io.to_proto(graph)
    onnx.checker.check_model(back)
    given = {"x": np.ones((2, 32), np.float32), "flag": np.array(True)}
    np.testing.assert_array_equal(small.run(back, given)[0], given["x"])
