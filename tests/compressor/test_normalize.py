"""Normalising changes the form and not what is computed, nor the names people know."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from onnx import TensorProto, helper

from compressor import model_io
from compressor.errors import GraphError
from compressor.model_check import check_model
from compressor.normalize import normalize
from compressor.tensor_values import FileValues
from tests.compressor import small_models as small

node = helper.make_node
X = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)


def ops(graph: Any) -> list[str]:
    return [item.op for item in graph.nodes]


def normalized(proto: onnx.ModelProto, feeds: dict[str, Any] | None = None) -> Any:
    """The normalised graph, after checking that it is valid, computes the same, and left its input alone."""
    graph = model_io.from_proto(proto)
    before = model_io.to_proto(graph).SerializeToString()
    result = normalize(graph)
    assert model_io.to_proto(graph).SerializeToString() == before
    back = model_io.to_proto(result)
    check_model(back, "normalised")
    assert [item.name for item in back.graph.output] == [item.name for item in proto.graph.output]
    if feeds is not None:
        for expected, got in zip(small.run(proto, feeds), small.run(back, feeds), strict=True):
            np.testing.assert_array_equal(expected, got)
    return result


def one_input(
    nodes: list[onnx.NodeProto], outputs: tuple[str, ...] = ("y",), weights: dict[str, Any] | None = None, **more: Any
) -> onnx.ModelProto:
    infos = [onnx.ValueInfoProto(name=name) for name in outputs]
    for info in infos:
        info.type.tensor_type.elem_type = TensorProto.FLOAT
    arrays = [small.tensor(name, np.asarray(array)) for name, array in (weights or {}).items()]
    return small.model(nodes, [small.value("x", "n", 3)], infos, arrays, **more)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"value": small.tensor("any", np.array([1, 2, 3], np.float32))}, np.array([1, 2, 3], np.float32)),
        ({"value_float": 1.5}, np.float32(1.5)),
        ({"value_floats": [1.5, 2, 3]}, np.array([1.5, 2, 3], np.float32)),
        ({"value_int": 7}, np.int64(7)),
        ({"value_ints": [7, 8]}, np.array([7, 8], np.int64)),
        ({"value_string": "a"}, np.array("a", dtype=object)),
        ({"value_strings": ["a", "b"]}, np.array(["a", "b"], dtype=object)),
    ],
)
def test_constants_become_initializers(attributes: dict[str, Any], expected: Any) -> None:
    use = node("Eat", ["x", "k"], ["y"], domain="com.example")
    proto = one_input([node("Constant", [], ["k"], **attributes), use], domains=[helper.make_opsetid("com.example", 1)])
    graph = normalized(proto)
    assert ops(graph) == ["Eat"]
    constant = graph.nodes[0].inputs[1]
    assert isinstance(constant, gs.Constant)
    assert constant.name == "k"
    assert (constant.values.dtype, constant.values.shape) == (expected.dtype, expected.shape)
    assert constant.values.tolist() == expected.tolist()


def test_a_sparse_constant_is_an_error() -> None:
    values = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
    sparse = helper.make_sparse_tensor(values, helper.make_tensor("i", TensorProto.INT64, [1], [2]), [3])
    proto = one_input([node("Constant", [], ["k"], "c", sparse_value=sparse), node("Add", ["x", "k"], ["y"])])
    with pytest.raises(GraphError, match=r"Constant node 'c' \(output 'k'\): is a sparse tensor"):
        normalize(model_io.from_proto(proto))


def test_a_constant_that_is_an_output_stays() -> None:
    value = small.tensor("", np.array([1], np.float32))
    proto = one_input([node("Constant", [], ["k"], value=value), node("Add", ["x", "k"], ["y"])], ("y", "k"))
    assert ops(normalized(proto, {"x": X})) == ["Constant", "Add"]


def test_identities_go() -> None:
    nodes = [
        node("Identity", ["x"], ["a"]),
        node("Identity", ["a"], ["b"]),
        node("Relu", ["b"], ["c"], "relu"),
        node("Identity", ["c"], ["d"]),
        node("Add", ["d", "w2"], ["e"], "add"),
        node("Identity", ["w"], ["w2"]),
    ]
    nodes[4], nodes[5] = nodes[5], nodes[4]
    graph = normalized(one_input(nodes, ("e",), {"w": np.array([1, 2, 3], np.float32)}), {"x": X})
    assert ops(graph) == ["Relu", "Add"]
    assert [item.name for item in graph.nodes] == ["relu", "add"]
    assert graph.nodes[0].inputs[0] is graph.inputs[0]
    assert [item.name for item in graph.nodes[1].inputs] == ["c", "w"]


def test_an_identity_that_makes_an_output_gives_its_name_to_the_producer() -> None:
    nodes = [node("Relu", ["x"], ["a"]), node("Identity", ["a"], ["y"]), node("Neg", ["a"], ["z"])]
    graph = normalized(one_input(nodes, ("y", "z")), {"x": X})
    assert ops(graph) == ["Relu", "Neg"]
    assert graph.nodes[0].outputs[0].name == "y"
    assert graph.nodes[1].inputs[0].name == "y"


@pytest.mark.parametrize(
    ("nodes", "outputs", "left"),
    [
        ([node("Identity", ["x"], ["y"])], ("y",), 1),  # an input straight to an output
        ([node("Identity", ["w"], ["y"])], ("y",), 1),  # an initializer straight to an output
        ([node("Relu", ["x"], ["y"]), node("Identity", ["y"], ["z"])], ("y", "z"), 1),  # both are outputs
        ([node("Relu", ["x"], ["a"]), node("Identity", ["a"], ["y"]), node("Identity", ["a"], ["z"])], ("y", "z"), 1),
        ([node("Identity", ["x"], ["a"]), node("Identity", ["a"], ["y"])], ("y",), 1),
    ],
)
def test_identities_that_alone_make_an_output_stay(
    nodes: list[onnx.NodeProto], outputs: tuple[str, ...], left: int
) -> None:
    graph = normalized(one_input(nodes, outputs, {"w": np.array([1], np.float32)}), {"x": X})
    assert ops(graph).count("Identity") == left


@pytest.mark.parametrize("opset", [9, 11, 12, 13, 17])
def test_dropout_goes(opset: int) -> None:
    attributes: dict[str, Any] = {"ratio": 0.3} if opset < 12 else {}
    nodes = [node("Relu", ["x"], ["a"]), node("Dropout", ["a"], ["b", "mask"], **attributes), node("Neg", ["b"], ["y"])]
    assert ops(normalized(one_input(nodes, opset=opset), {"x": X})) == ["Relu", "Neg"]


@pytest.mark.parametrize(
    ("inputs", "goes"),
    [
        (["a", "ratio"], True),
        (["a", "ratio", ""], True),
        (["a", "", "no"], True),
        (["a", "ratio", "node_no"], True),
        (["a", "zero", "yes"], False),
        (["a", "zero", "asked"], False),
    ],
)
def test_dropout_in_training_mode_stays(inputs: list[str], goes: bool) -> None:
    weights = {"ratio": np.float32(0.5), "zero": np.float32(0), "no": np.array(False), "yes": np.array(True)}
    nodes = [
        node("Constant", [], ["node_no"], value=small.tensor("", np.array(False))),
        node("Cast", ["ratio"], ["asked"], to=TensorProto.BOOL),
        node("Relu", ["x"], ["a"]),
        node("Dropout", inputs, ["b"]),
        node("Neg", ["b"], ["y"]),
    ]
    assert ("Dropout" not in ops(normalized(one_input(nodes, weights=weights), {"x": X}))) is goes


@pytest.mark.parametrize("outputs", [("y", "m"), ("y",)])
def test_dropout_whose_mask_is_used_stays(outputs: tuple[str, ...]) -> None:
    nodes = [
        node("Dropout", ["x"], ["b", "mask"]),
        node("Cast", ["mask"], ["m"], to=TensorProto.FLOAT),
        node("Add", ["b", "b"], ["y"]),
    ]
    graph = normalized(one_input(nodes, outputs), {"x": X})
    assert ops(graph) == (["Dropout", "Cast", "Add"] if "m" in outputs else ["Dropout", "Add"])


def test_a_mask_that_is_an_output_keeps_its_dropout() -> None:
    proto = one_input([node("Dropout", ["x"], ["b", "mask"]), node("Neg", ["b"], ["y"])], ("y", "mask"))
    proto.graph.output[1].type.tensor_type.elem_type = TensorProto.BOOL
    assert ops(normalized(proto, {"x": X})) == ["Dropout", "Neg"]


def test_another_domains_identity_is_not_ours() -> None:
    nodes = [node("Identity", ["x"], ["a"], domain="com.example"), node("Neg", ["a"], ["y"])]
    graph = normalized(one_input(nodes, domains=[helper.make_opsetid("com.example", 1)]))
    assert ops(graph) == ["Identity", "Neg"]


def test_what_no_output_needs_goes() -> None:
    nodes = [
        node("Relu", ["x"], ["y"]),
        node("Add", ["x", "w"], ["a"]),
        node("Neg", ["a"], ["b"]),
        node("Split", ["x"], ["s", "t"], axis=1, split=[1, 2]),
        node("Neg", ["s"], ["z"]),
    ]
    graph = normalized(one_input(nodes, ("y", "z"), {"w": np.array([1], np.float32)}, opset=11), {"x": X})
    assert ops(graph) == ["Relu", "Split", "Neg"]
    assert len(graph.nodes[1].outputs) == 2
    assert not model_io.to_proto(graph).graph.initializer


def test_unused_inputs_stay() -> None:
    proto = one_input([node("Neg", ["x"], ["y"])])
    proto.graph.input.append(small.value("unused", 1))
    assert [tensor.name for tensor in normalized(proto).inputs] == ["x", "unused"]


def test_initializers_listed_as_inputs_become_plain() -> None:
    proto = one_input([node("Add", ["x", "w"], ["y"])], weights={"w": np.array([1, 2, 3], np.float32)}, opset=9)
    proto.ir_version = 3
    proto.graph.input.append(small.value("w", 3))
    back = model_io.to_proto(normalized(proto, {"x": X}))
    assert [info.name for info in back.graph.input] == ["x"]
    assert back.ir_version == 4


def test_subgraphs_are_normalised_and_keep_what_they_capture() -> None:
    for proto, feeds in (
        (small.if_model(), {"x": np.ones((2, 32), np.float32), "flag": np.array(False)}),
        (small.if_model(), {"x": np.ones((2, 32), np.float32), "flag": np.array(True)}),
        (small.loop_model(), {"n": np.array(3, np.int64), "x": np.ones(4, np.float32)}),
        (small.scan_model(), {"start": np.ones(2, np.float32), "xs": np.ones((5, 2), np.float32)}),
    ):
        graph = normalized(proto, feeds)
        for subgraph in graph.subgraphs(recursive=True):
            assert "Constant" not in ops(subgraph)


def test_a_tensor_only_a_subgraph_needs_stays() -> None:
    proto = small.if_model()
    proto.graph.node.insert(1, node("Identity", ["h"], ["h2"], "between"))
    for branch in proto.graph.node[2].attribute:
        for inner in branch.g.node:
            inner.input[:] = ["h2" if name == "h" else name for name in inner.input]
    graph = normalized(proto, {"x": np.ones((2, 32), np.float32), "flag": np.array(True)})
    assert ops(graph) == ["Relu", "If"]


def test_weights_are_shared_and_not_read(tmp_path: Path) -> None:
    onnx.save(small.conv_model(), tmp_path / "m.onnx")
    graph = model_io.read(tmp_path / "m.onnx")
    before = graph.nodes[0].inputs[1]._values
    after = normalize(graph).nodes[0].inputs[1]._values
    assert isinstance(after, FileValues)
    assert after is before


def test_documentation_survives() -> None:
    proto = small.conv_model()
    proto.doc_string = "model"
    helper.set_model_props(proto, {"k": "v"})
    proto.graph.node[0].doc_string = "node"
    proto.graph.input[0].doc_string = "input"
    assert small.stripped(model_io.to_proto(normalized(proto))) == small.stripped(proto)
