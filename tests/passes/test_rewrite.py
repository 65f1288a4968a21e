"""The rewritten graph: names stay, sharing stays where indices agree, the original is never touched."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from compressor.model_io import digest, from_proto
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.masking import mask_atoms
from compressor.passes.rewrite import remove_atoms
from tests.passes.graphs import Weights, analysed, f32, i64, prove, removals
from tests.passes.test_cost import SHARED, SHARED_BIAS
from tests.passes.test_op_contract import CASES


def _names(analysis: Analysis, pruned: object) -> tuple[list[str], list[str]]:
    return [n.name for n in analysis.graph.nodes], [n.name for n in pruned.nodes]  # type: ignore[attr-defined]


def test_a_shared_initializer_stays_shared_where_the_kept_indices_agree() -> None:
    analysis = analysed(SHARED_BIAS, SHARED)
    first, second = analysis.spaces
    atoms = np.sort(np.concatenate([first.atoms[2:4], second.atoms[2:4]]))
    pruned = prove(analysis, atoms)
    one, two = (node.inputs[1] for node in pruned.nodes if node.op == "Add")
    assert one is two
    assert one.name == "b"
    assert one.shape == (6,)


def test_a_shared_initializer_is_copied_where_they_differ() -> None:
    analysis = analysed(SHARED_BIAS, SHARED)
    first, second = analysis.spaces
    atoms = np.sort(np.concatenate([first.atoms[2:4], second.atoms[:1]]))
    pruned = prove(analysis, atoms)
    one, two = (node.inputs[1] for node in pruned.nodes if node.op == "Add")
    assert (one.name, two.name) == ("b", "b_pruned")
    whole = np.asarray(analysis.graph.tensors()["b"].values)
    np.testing.assert_array_equal(one.values, np.delete(whole, [2, 3]))
    np.testing.assert_array_equal(two.values, whole[1:])


def test_a_new_name_is_one_that_nothing_has() -> None:
    body = SHARED_BIAS.replace("m = Relu(l)", "b_pruned = Relu(l)").replace("MatMul(m, v)", "MatMul(b_pruned, v)")
    analysis = analysed(body, SHARED)
    pruned = prove(analysis, analysis.spaces[0].atoms[:3])
    assert {"b", "b_pruned2"} <= set(pruned.tensors())


def test_names_of_nodes_initializers_inputs_and_outputs_stay() -> None:
    analysis = analysed(SHARED_BIAS, SHARED)
    (atoms,) = removals(analysis, shares=(0.5,))
    pruned = remove_atoms(analysis, atoms)
    before, after = _names(analysis, pruned)
    assert before == after
    assert set(SHARED) <= set(pruned.tensors())
    for side in ("inputs", "outputs"):
        old, new = getattr(analysis.graph, side), getattr(pruned, side)
        assert [(t.name, t.dtype, t.shape) for t in old] == [(t.name, t.dtype, t.shape) for t in new]


@pytest.mark.parametrize("case", CASES[::7], ids=str)
def test_the_original_is_never_touched(case: object) -> None:
    analysis = case.analysed()  # type: ignore[attr-defined]
    before = digest(analysis.graph)
    for atoms in removals(analysis):
        remove_atoms(analysis, atoms)
        mask_atoms(analysis, atoms)
    assert digest(analysis.graph) == before


def test_nothing_removed_leaves_the_graph_as_it_was() -> None:
    analysis = analysed(SHARED_BIAS, SHARED)
    assert digest(remove_atoms(analysis, np.zeros(0, np.int64))) == digest(analysis.graph)


def test_dead_shape_arithmetic_goes() -> None:
    body = (
        "h = MatMul(x, w)\nn = Shape(h)\nc = Gather(n, one)\nu = Unsqueeze(c, z)\nk = Concat<axis=0>(m, u)\n"
        "o = Reshape(h, k)\ny = MatMul(o, v)"
    )
    weights: Weights = {"w": (6, 8), "v": (8, 5), "one": i64(1), "z": i64([0]), "m": i64([-1])}
    analysis = analysed(body, weights)
    pruned = prove(analysis, analysis.spaces[0].atoms[:3])
    assert [node.op for node in pruned.nodes] == ["MatMul", "Reshape", "MatMul"]


def test_an_initializer_that_a_body_of_unknown_shape_reads_stays_whole() -> None:
    text = """<ir_version: 8, opset_import: ["" : 18]>
    g (float[N, 6] x, bool c) => (float y) {
      h = MatMul(x, w)
      i = Add(h, b)
      z = If (c) <
        then_branch = t () => (float s) { n = NonZero(b)  r = Cast<to=1>(n)  s = ReduceSum<keepdims=0>(r) },
        else_branch = e () => (float s2) { s2 = ReduceSum<keepdims=0>(b) }>
      j = Add(i, z)
      y = MatMul(j, v)
    }"""
    proto = onnx.parser.parse_model(text)
    proto.graph.output[0].type.tensor_type.ClearField("shape")
    rng = np.random.default_rng(0)
    for name, shape in {"w": (6, 8), "b": (8,), "v": (8, 5)}.items():
        array = rng.standard_normal(shape).astype(np.float32)
        proto.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    analysis = analyse(from_proto(proto))
    for atoms in removals(analysis, shares=(0.5,)):
        pruned = prove(analysis, atoms)
        (branches,) = [list(node.attrs.values()) for node in pruned.nodes if node.op == "If"]
        assert [branch.nodes[0].inputs[0].shape for branch in branches] == [(8,), (8,)]
        assert pruned.tensors()["w"].shape[1] < 8


_PADDED_SHORTCUT = """
h = Conv<pads=[1, 1, 1, 1]>(x, w)
c = Conv<pads=[1, 1, 1, 1]>(h, u)
s = Pad({pad})
l = Add(c, s)
m = Relu(l)
y = Conv(m, v)
"""


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_padded_channels_of_a_shortcut_may_go(value: float) -> None:
    """ResNet's shortcuts without weights (He et al., arXiv:1512.03385, option A): zeros around the narrower stage."""
    weights: Weights = {
        "w": (6, 3, 3, 3), "u": (12, 6, 3, 3), "v": (5, 12, 1, 1), "p": i64([0, 2, 0, 0, 0, 4, 0, 0]), "k": f32(value),
    }  # fmt: skip
    analysis = analysed(_PADDED_SHORTCUT.format(pad="h, p, k"), weights, inputs="float[N, 3, 5, 5] x")
    inner, padded = analysis.spaces
    assert (inner.size, padded.size) == (6, 6)
    for count in (1, 3, 5):
        pruned = prove(analysis, np.sort(np.concatenate([inner.atoms[:count], padded.atoms[1 : 1 + count]])))
        (pads,) = (node.inputs[1].values for node in pruned.nodes if node.op == "Pad")
        assert pads.tolist() == [0, 1, 0, 0, 0, 5 - count, 0, 0]
    for atoms in removals(analysis):
        prove(analysis, atoms)
