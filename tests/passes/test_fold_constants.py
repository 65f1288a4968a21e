"""What computes the same at every run becomes an initializer, unless the file would grow or an answer might differ."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.model_io import from_proto, to_proto
from compressor.passes.fold_constants import fold_constants
from compressor.passes.folding import Folding
from tests.passes.graphs import Weights, f32, i64, model
from tests.passes.test_fold_batchnorm import same_outputs

BIG = (200, 300)


def folded(body: str, weights: Weights, inputs: str = "float[N, 6] x", outputs: str = "float y") -> Folding:
    graph = from_proto(model(body, weights, inputs=inputs, outputs=outputs))
    before = to_proto(graph).SerializeToString()
    result = fold_constants(graph)
    assert to_proto(graph).SerializeToString() == before
    same_outputs(graph, result.graph)
    return result


def test_a_chain_of_movements_and_arithmetic() -> None:
    body = """
        t = Transpose<perm=[1, 0]>(W)
        s = Mul(t, k)
        u = Sqrt(k)
        d = Div(s, u)
        y = MatMul(x, d)
    """
    result = folded(body, {"W": (4, 6), "k": f32([4.0])})
    assert result.folded == ["t", "s", "u", "d"]
    (node,) = result.graph.nodes
    assert node.inputs[1].name == "d"


def test_shape_arithmetic_on_initializers() -> None:
    body = "a = Shape(W)\nb = Concat<axis=0>(a, one)\nc = Gather(b, places)\ny = Reshape(x, c)"
    result = folded(body, {"W": (3, 2), "one": i64([1]), "places": i64([2, 0, 1])}, inputs="float[1, 6] x")
    assert [node.op for node in result.graph.nodes] == ["Reshape"]
    assert result.graph.nodes[0].inputs[1].values.tolist() == [1, 3, 2]


def test_a_big_weight_that_is_read_as_it_is_too_is_not_stored_twice() -> None:
    body = "t = Transpose<perm=[1, 0]>(W)\nh = MatMul(x, W)\ny = MatMul(h, t)"
    result = folded(body, {"W": BIG}, inputs="float[N, 200] x")
    assert "would grow" in result.left["t"]
    alone = folded("t = Transpose<perm=[1, 0]>(W)\ny = MatMul(x, t)", {"W": BIG}, inputs="float[N, 300] x")
    assert alone.folded == ["t"]


def test_what_spreads_a_few_numbers_out_is_left() -> None:
    weights: Weights = {"a": (300, 1), "b": (1, 300), "p": i64([0] * 300)}
    left = folded("t = Add(a, b)\ny = MatMul(x, t)", weights, inputs="float[N, 300] x").left
    assert "would grow" in left["t"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("y = Neg(W)\nz = Relu(x)", "output of the model"),
        ("i = Div(a, b)\ny = Reshape(x, i)\nz = Relu(x)", "whole numbers"),
        ("i = Cast<to=7>(f)\ny = Reshape(x, i)\nz = Relu(x)", "whole numbers"),
    ],
)
def test_what_is_left_and_why(body: str, why: str) -> None:
    weights: Weights = {"W": (3,), "a": i64([-4, 12]), "b": i64([4, 2]), "f": f32([-1, 6])}
    result = folded(body, weights, outputs="float y, float z")
    assert result.folded == []
    assert [why in said for said in result.left.values()] == [True]


def test_a_node_that_cannot_be_evaluated_stays() -> None:
    graph = from_proto(model("t = Reshape(W, s)\ny = MatMul(x, t)", {"W": (4, 6), "s": i64([5, 5])}))
    assert "cannot be evaluated" in fold_constants(graph).left["t"]


def test_what_a_body_reads_is_replaced_there_too() -> None:
    body = """
        t = Transpose<perm=[1, 0]>(W)
        y = If(c) <
            then_branch = a () => (float[N, 4] p) { p = MatMul(x, t) },
            else_branch = b () => (float[N, 4] q) { r = MatMul(x, t)
                                                   q = Neg(r) }
        >
    """
    weights: Weights = {"W": (4, 6), "c": np.array(True)}
    result = folded(body, weights)
    assert result.folded == ["t"]
    assert [node.op for node in result.graph.nodes] == ["If"]
