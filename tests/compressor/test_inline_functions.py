"""Local functions are kept by reading and writing, and inlined by normalising."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from compressor import model_io
from tests.compressor import small_models as small
from tests.compressor.test_normalize import X, node, normalized, one_input, ops


def functions_model() -> onnx.ModelProto:
    """Two calls of a function that calls another, with an attribute and clashing inner names."""
    twice = helper.make_function(
        "local", "Twice", ["v"], ["r"], [node("Add", ["v", "v"], ["r"])], [helper.make_opsetid("", 17)]
    )
    leaky = node("LeakyRelu", ["t"], ["out"], "inner")
    leaky.attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope")
    bend = helper.make_function(
        "local", "Bend", ["v"], ["out"],
        [node("Twice", ["v"], ["t"], domain="local"), leaky],
        [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)], ["slope"],
    )  # fmt: skip
    nodes = [
        node("Add", ["x", "t"], ["a"], "first"),
        node("Bend", ["a"], ["out"], "call", domain="local", slope=0.1),
        node("Bend", ["out"], ["y"], "call_again", domain="local", slope=0.2),
    ]
    domains = [helper.make_opsetid("local", 1)]
    return one_input(nodes, weights={"t": np.array([1, 2, 3], np.float32)}, functions=[twice, bend], domains=domains)


def test_functions_are_inlined() -> None:
    graph = normalized(functions_model(), {"x": X})
    assert ops(graph) == ["Add", "Add", "LeakyRelu", "Add", "LeakyRelu"]
    assert graph.nodes[0].name == "first"
    assert graph.nodes[0].inputs[1].name == "t"
    assert not model_io.to_proto(graph).functions
    names = [item.name for item in graph.nodes if item.name]
    assert len(set(names)) == len(names)


def test_functions_survive_a_round_trip() -> None:
    back = model_io.to_proto(model_io.from_proto(functions_model()))
    assert small.stripped(back) == small.stripped(functions_model())
