"""Chains from a fixed axis back to its cause."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from compressor.model_io import from_proto, read
from compressor.models.demo import demo_model_path
from compressor.normalize import normalize
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.explain import Explainer, FixedAxis
from tests.passes.graphs import Weights, analysed
from tests.zoo import source


def _fixed(analysis: Analysis) -> dict[str, FixedAxis]:
    return {f"{one.parameter}:{one.axis}": one for one in Explainer(analysis).fixed_axes()}


def test_from_the_graph_output_through_ops() -> None:
    found = _fixed(analysed("h = MatMul(x, w)\nr = Relu(h)\ny = Softmax(r)", {"w": (6, 8)}))
    # Softmax is met before the output, and pins first.
    assert found["w:1"].sentence == "fixed: Softmax runs over this axis (Softmax 'y') <- Relu 'r' <- MatMul 'h'"
    found = _fixed(analysed("h = MatMul(x, w)\nr = Relu(h)\ny = Neg(r)", {"w": (6, 8)}))
    assert found["w:1"].sentence == "fixed: graph output 'y' <- Neg 'y' <- Relu 'r' <- MatMul 'h'"
    assert found["w:1"].group == "graph output"


def test_an_op_without_a_rule() -> None:
    body = "h = MatMul(x, w)\ng = MatMul(h, v)\nu = odd.Odd(g)\ny = Neg(x)"
    found = _fixed(analysed(body, {"w": (6, 8), "v": (8, 4)}, domains=("odd",)))
    assert found["v:1"].sentence == "fixed: op odd::Odd has no rule (Odd 'u') <- MatMul 'g'"
    assert "w:1" not in found


def test_a_join_goes_on_to_the_graph_input() -> None:
    found = _fixed(analysed("a = Neg(x)\nh = MatMul(a, w)\ny = MatMul(h, v)", {"w": (6, 8), "v": (8, 5)}))
    assert found["w:0"].sentence == "fixed: graph input 'x' <- Neg 'a' <- MatMul 'h'"
    assert found["w:0"].reason == "joined with graph input 'x' at MatMul 'h'"
    assert found["w:0"].group == "joined with graph input"
    assert [step.node for step in found["w:0"].chain] == [-1, 0, 1]


def test_a_join_is_not_blamed_on_a_pin_of_the_same_rule() -> None:
    found = _fixed(analysed("h = Conv(x, w)\ny = Conv(h, v)", {"w": (8, 3, 3, 3), "v": (5, 8, 1, 1)},
                            inputs="float[N, 3, 6, 6] x"))  # fmt: skip
    assert found["w:1"].reason == "joined with graph input 'x' at Conv 'h'"
    assert found["w:2"].reason == "a convolution slides over this axis (Conv 'h')"
    assert found["w:2"].group == found["w:3"].group == "a convolution slides over this axis (Conv)"


def test_a_join_with_positions_names_what_made_them() -> None:
    body = "h = Conv(x, w)\nr = Reshape(h, s)\na = Add(r, p)\nt = Transpose<perm=[0, 2, 1]>(a)\ny = MatMul(t, v)"
    found = _fixed(analysed(body, {"w": (8, 3, 2, 2), "s": np.array([0, 8, -1]), "p": (8, 16), "v": (8, 5)},
                            inputs="float[2, 3, 5, 5] x"))  # fmt: skip
    assert found["p:1"].sentence == ("fixed: a convolution slides over this axis (Conv 'h') <- Reshape 'r' <- Add 'a'")
    assert found["p:1"].reason == (
        "joined with an axis that stays: a convolution slides over this axis (Conv 'h') at Add 'a'"
    )
    assert found["p:1"].group == "joined with an axis that stays: a convolution slides over this axis (Conv)"


def test_some_indices_only() -> None:
    body = "h = MatMul(x, w)\ns = Gather<axis=1>(h, i)\nu = Unsqueeze(s, a)\no = Mul(h, u)\ny = MatMul(o, v)"
    found = _fixed(analysed(body, {"w": (6, 8), "v": (8, 5), "i": np.array(3), "a": np.array([1])}))
    assert (found["w:1"].count, found["w:1"].size) == (1, 8)
    assert found["w:1"].sentence.startswith("fixed (1 of 8 indices): this index is picked by itself (Gather 's')")


def test_pairs_of_merged_axes_are_followed() -> None:
    body = "h = MatMul(x, w)\nr = Reshape(h, s)\nt = Transpose<perm=[0, 2, 1]>(r)\n{end}\ny = ReduceSum(n)"
    weights: Weights = {"w": (6, 8), "s": np.array([0, 2, 4])}
    assert "w:1" not in _fixed(analysed(body.format(end="n = Softmax(t)"), weights))  # the other half may go
    found = _fixed(analysed(body.format(end="m = Softmax(t)\nn = Softmax<axis=1>(m)"), weights))
    assert found["w:1"].sentence == (
        "fixed: Softmax runs over this axis (Softmax 'm') <- Transpose 't' <- Reshape 'r' <- MatMul 'h'"
    )


def test_into_a_body() -> None:
    body = (
        "h = MatMul(x, w)\nc = ReduceSum<keepdims=0>(x)\nb = Cast<to=9>(c)\n"
        "o = If(b)<then_branch = t () => (float[N, 8] p) { p = Softmax(h) },"
        " else_branch = e () => (float[N, 8] q) { q = Neg(h) }>\ny = MatMul(o, v)"
    )
    found = _fixed(analysed(body, {"w": (6, 8), "v": (8, 5)}))
    assert found["w:1"].sentence.startswith("fixed: Softmax runs over this axis (Softmax ")
    assert found["w:1"].sentence.endswith(" <- MatMul 'h'")


def _assert_chains_hold_together(analysis: Analysis) -> None:
    """Neighbours in a chain share a tensor."""
    for one in Explainer(analysis).fixed_axes():
        numbers = [step.node for step in one.chain if step.node >= 0]
        assert numbers, one
        for a, b in itertools.pairwise(numbers):
            left, right = analysis.nodes[a], analysis.nodes[b]
            names = [{tensor.name for tensor in (*node.inputs, *node.outputs)} for node in (left, right)]
            assert names[0] & names[1], one.sentence


def test_chains_of_the_embedded_model_hold_together() -> None:
    analysis = analyse(read(demo_model_path()))
    _assert_chains_hold_together(analysis)
    assert {(name, axis) for name, axis, _ in analysis.fixed_axes()} == {
        (one.parameter, one.axis) for one in Explainer(analysis).fixed_axes()
    }


@pytest.mark.zoo
@pytest.mark.parametrize("name", source.names())
def test_chains_of_the_zoo_hold_together(name: str) -> None:
    _assert_chains_hold_together(analyse(normalize(from_proto(source.load(name)))))
