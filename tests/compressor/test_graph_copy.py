"""A copy equals its original and may be changed without changing it."""

from __future__ import annotations

from typing import Any

import pytest
from onnx import helper

from compressor import model_io
from compressor.graph_copy import copy_graph
from tests.compressor import small_models as small
from tests.compressor.test_inline_functions import functions_model
from tests.compressor.test_normalize import node, normalized, one_input, ops


@pytest.mark.parametrize("make", [small.conv_model, small.if_model, functions_model])
def test_a_copy_is_equal_and_independent(make: Any) -> None:
    graph = model_io.from_proto(make())
    copied = copy_graph(graph)
    assert small.stripped(model_io.to_proto(copied)) == small.stripped(make())
    for item in copied.nodes:
        item.op = "Changed"
        item.attrs.clear()
        item.inputs.clear()
    copied.outputs[0].shape = [1]
    copied.inputs.clear()
    assert small.stripped(model_io.to_proto(graph)) == small.stripped(make())


def test_lists_of_subgraphs_are_copied_and_keep_what_they_capture() -> None:
    parts = [helper.make_graph([node("Neg", ["h"], [name])], name, [], [small.value(name, None)]) for name in "ab"]
    nodes = [node("Relu", ["x"], ["h"]), node("Choose", ["x"], ["y"], domain="com.example", parts=parts)]
    graph = normalized(one_input(nodes, domains=[helper.make_opsetid("com.example", 1)]))
    assert ops(graph) == ["Relu", "Choose"]
    inner = graph.nodes[1].attrs["parts"]
    assert inner[0].nodes[0].inputs[0] is inner[1].nodes[0].inputs[0] is graph.nodes[0].outputs[0]
