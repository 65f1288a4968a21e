"""Recovery as a whole: exact where channels repeat others, nothing where nothing was cut, never worse."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import pytest

from compressor.model_io import from_proto, to_proto
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.branches import Branches
from compressor.passes.recovery.batch_norm import BatchNormFit
from compressor.passes.recovery.recover import Recovery, recover
from compressor.passes.rewrite import removal_of, remove_atoms
from compressor.verification import opened
from tests.passes.graphs import Atoms, f32, i64, model, removals

RNG = np.random.default_rng(3)
IMAGES = "float[N, 3, 8, 8] x"
RESIDUAL = """
c = Conv<pads = [1, 1, 1, 1]>(x, w0, b0)
r = Relu(c)
d = Conv<pads = [1, 1, 1, 1]>(r, w1, b1)
e = Relu(d)
f = Conv<pads = [1, 1, 1, 1]>(e, w2, b2)
s = Add(f, r)
g = Relu(s)
p = GlobalAveragePool(g)
l = Flatten(p)
y = Gemm<transB = 1>(l, w3, b3)
"""
RESIDUAL_WEIGHTS: dict[str, Any] = {
    "w0": (12, 3, 3, 3), "b0": (12,), "w1": (10, 12, 3, 3), "b1": (10,), "w2": (12, 10, 3, 3), "b2": (12,),
    "w3": (5, 12), "b3": (5,),
}  # fmt: skip


def _chunks(shape: tuple[int, ...], count: int = 16, dtype: Any = np.float32) -> list[dict[str, Any]]:
    rng = np.random.default_rng(5)
    return [{"x": rng.standard_normal(shape).astype(dtype)} for _ in range(count)]


def _recovered(analysis: Analysis, atoms: Atoms, chunks: list[dict[str, Any]], **more: Any) -> Recovery:
    return recover(remove_atoms(analysis, atoms), analysis, removal_of(analysis, atoms), chunks, opened, **more)


def _twins(array: Any, axis: int) -> Any:
    """The second half along an axis repeats the first."""
    half = np.split(f32(array), 2, axis)[0]
    return np.concatenate([half, half], axis)


COMPENSATED = [("d", False), ("f", True), ("y", False)]
TWINS: dict[str, tuple[str, dict[str, Any], str, tuple[int, ...]]] = {
    "conv": (
        "c = Conv(x, w, b)\nr = Relu(c)\ny = Conv<pads = [1, 1, 1, 1]>(r, v)",
        {"w": _twins(RNG.standard_normal((8, 3, 3, 3)), 0), "b": _twins(RNG.standard_normal(8), 0), "v": (4, 8, 3, 3)},
        IMAGES, (8, 3, 8, 8),
    ),
    "up": (
        "c = Conv(x, w)\nr = Relu(c)\ny = ConvTranspose<strides = [2, 2]>(r, v)",
        {"w": _twins(RNG.standard_normal((8, 3, 3, 3)), 0), "v": (8, 4, 3, 3)}, IMAGES, (8, 3, 8, 8),
    ),
    "gemm": (
        "c = Gemm(x, w)\nr = Relu(c)\ny = Gemm(r, v, b)",
        {"w": _twins(RNG.standard_normal((6, 8)), 1), "v": (8, 3), "b": (3,)}, "float[N, 6] x", (64, 6),
    ),
    "matmul": (
        "c = MatMul(x, w)\nr = Relu(c)\ny = MatMul(r, v)",
        {"w": _twins(RNG.standard_normal((6, 8)), 1), "v": (8, 3)}, "float[N, S, 6] x", (4, 16, 6),
    ),
    "matmul-left": (
        "c = MatMul(w, x)\nr = Relu(c)\ny = MatMul(v, r)",
        {"w": _twins(RNG.standard_normal((8, 6)), 0), "v": (3, 8)}, "float[N, 6, S] x", (4, 6, 16),
    ),
}  # fmt: skip


def _twin_analysis(name: str) -> tuple[Analysis, Atoms]:
    body, weights, inputs, _ = TWINS[name]
    analysis = analyse(from_proto(model(body, weights, inputs=inputs)))
    (space,) = analysis.spaces
    return analysis, space.atoms[4:]


@pytest.mark.parametrize("name", TWINS)
def test_what_others_repeat_is_recovered_exactly(name: str) -> None:
    analysis, atoms = _twin_analysis(name)
    result = _recovered(analysis, atoms, _chunks(TWINS[name][3]))
    (outcome,) = result.outcomes
    assert outcome.method == "rows"
    assert outcome.before > 0.05
    assert outcome.after < 1e-5
    assert result.output_after < 1e-5 < result.output_before
    assert result.kept


def test_a_row_too_wide_is_folded_by_channels() -> None:
    analysis, atoms = _twin_analysis("conv")
    result = _recovered(analysis, atoms, _chunks(TWINS["conv"][3]), widest=8)
    (outcome,) = result.outcomes
    assert outcome.method == "channels"
    assert outcome.after < 1e-5 < outcome.before
    analysis, atoms = _twin_analysis("up")
    (outcome,) = _recovered(analysis, atoms, _chunks(TWINS["up"][3]), widest=8).outcomes
    assert outcome.method == "channels"
    assert outcome.after < 1e-5 < outcome.before


def test_a_matrix_too_wide_has_its_bias_moved() -> None:
    analysis, atoms = _twin_analysis("gemm")
    (outcome,) = _recovered(analysis, atoms, _chunks(TWINS["gemm"][3]), widest=3).outcomes
    assert outcome.method == "bias"
    assert outcome.after < outcome.before


def test_nothing_cut_is_nothing_done() -> None:
    analysis = analyse(from_proto(model(RESIDUAL, RESIDUAL_WEIGHTS, inputs=IMAGES)))
    nothing = np.zeros(0, np.int64)
    result = _recovered(analysis, nothing, _chunks((4, 3, 8, 8)))
    assert result.outcomes == []
    assert result.skipped == {}
    assert (result.output_before, result.output_after) == (0.0, 0.0)
    assert to_proto(result.graph).SerializeToString() == to_proto(remove_atoms(analysis, nothing)).SerializeToString()


def test_what_repeats_nothing_gets_better_and_the_same_seed_gives_the_same() -> None:
    analysis = analyse(from_proto(model(RESIDUAL, RESIDUAL_WEIGHTS, inputs=IMAGES)))
    chunks = _chunks((16, 3, 8, 8))
    for atoms in removals(analysis, shares=(0.3, 0.6)):
        pruned = remove_atoms(analysis, atoms)
        before = to_proto(pruned).SerializeToString()
        result = recover(pruned, analysis, removal_of(analysis, atoms), chunks, opened, seed=1)
        assert to_proto(pruned).SerializeToString() == before  # what was given is left as it was
        assert all(outcome.after <= outcome.before for outcome in result.outcomes)
        assert {outcome.layer: outcome.compensated for outcome in result.outcomes} == {
            "d": False,
            "f": True,
            "y": False,
        }
        assert result.output_after < 0.5 * result.output_before
        again = recover(pruned, analysis, removal_of(analysis, atoms), chunks, opened, seed=1, budget_bytes=0)
        assert to_proto(again.graph).SerializeToString() == to_proto(result.graph).SerializeToString()


def test_only_solved_values_differ_and_shapes_stay() -> None:
    analysis = analyse(from_proto(model(RESIDUAL, RESIDUAL_WEIGHTS, inputs=IMAGES)))
    atoms = next(iter(removals(analysis)))
    pruned = to_proto(remove_atoms(analysis, atoms))
    result = to_proto(_recovered(analysis, atoms, _chunks((8, 3, 8, 8))).graph)
    assert pruned.graph.node == result.graph.node
    one, other = ({t.name: t for t in part.graph.initializer} for part in (pruned, result))
    assert one.keys() == other.keys()
    changed = {name for name in one if one[name].raw_data != other[name].raw_data}
    assert changed == {"w1", "b1", "w2", "b2", "w3", "b3"}
    assert all(one[name].dims == other[name].dims for name in one)


def test_weights_that_do_no_better_are_not_kept() -> None:
    """Training rows whose targets say nothing about those held out: the last chunk of 8 is another world."""
    analysis, atoms = _twin_analysis("gemm")
    chunks = _chunks(TWINS["gemm"][3])
    for number, chunk in enumerate(chunks):
        chunk["x"] = np.zeros_like(chunk["x"]) if number % 8 != 7 else chunk["x"]
    result = _recovered(analysis, atoms, chunks)
    (outcome,) = result.outcomes
    assert outcome.method == "kept"
    assert outcome.note == "nothing found was better on the samples held out"
    assert outcome.after == outcome.before
    assert not result.kept


def test_half_precision_and_a_fixed_batch_of_one() -> None:
    body, weights, _, _ = TWINS["conv"]
    halves = {name: f32(RNG.standard_normal(w) if isinstance(w, tuple) else w) / 3 for name, w in weights.items()}
    proto = model(body, {k: v.astype(np.float16) for k, v in halves.items()}, inputs="float16[1, 3, 8, 8] x",
                  outputs="float16 y")  # fmt: skip
    analysis = analyse(from_proto(proto))
    (space,) = analysis.spaces
    result = _recovered(analysis, space.atoms[4:], _chunks((1, 3, 8, 8), 64, np.float16))
    (outcome,) = result.outcomes
    assert outcome.after < 1e-4 < outcome.before
    assert {str(t.dtype) for node in result.graph.nodes for t in node.inputs if isinstance(t, gs.Constant)} == {
        "float16"
    }


def test_infinite_activations_leave_the_layer_as_it_is() -> None:
    analysis, atoms = _twin_analysis("gemm")
    chunks = _chunks(TWINS["gemm"][3])
    chunks[0]["x"][0, 0] = np.inf
    (outcome,) = _recovered(analysis, atoms, chunks).outcomes
    assert (outcome.method, outcome.note) == ("kept", "its activations are not all finite")


def test_batch_norm_statistics_follow_what_arrives() -> None:
    names = ("scale", "bias", "mean", "var")
    norm = "y = BatchNormalization(x, scale, bias, mean, var)"
    values = dict(zip(names, (f32([1, 2, 3]), f32([0, 1, 0]), f32([1, 0, 2]), f32([1, 4, 2])), strict=True))
    graph = from_proto(model(norm, values, inputs="float[N, 3, 4] x"))
    (node,) = graph.nodes
    fit = BatchNormFit(node)
    with opened(graph) as session:
        for number in range(8):
            original = f32(RNG.standard_normal((5, 3, 4)))
            arrives = 2 * original + f32([[1], [2], [3]])
            target = session.run({"x": original})["y"]
            fit.observe(arrives, [target], [original], number, held=number == 7)
    (outcome,) = fit.finish()
    assert outcome.method == "statistics"
    assert outcome.after < 1e-6 < outcome.before  # epsilon is not scaled
    with opened(graph) as session:
        np.testing.assert_allclose(session.run({"x": arrives})["y"], target, atol=1e-4)


def test_convolutions_before_batch_norms_make_up_for_the_sum_behind_them() -> None:
    body = RESIDUAL.replace("s = Add(f, r)", "n = BatchNormalization(f, g0, g1, g2, g3)\ns = Add(r, n)")
    scale = f32(RNG.uniform(0.5, 2, 12))
    scale[3] = 0  # passes nothing: its input is solved for as it was
    norm: dict[str, Any] = {"g0": scale, "g1": (12,), "g2": (12,), "g3": f32(RNG.uniform(1, 4, 12))}
    analysis = analyse(from_proto(model(body, {**RESIDUAL_WEIGHTS, **norm}, inputs=IMAGES)))
    atoms = next(iter(removals(analysis)))
    result = _recovered(analysis, atoms, _chunks((16, 3, 8, 8)))
    assert [(outcome.layer, outcome.compensated) for outcome in result.outcomes] == COMPENSATED
    assert result.output_after < 0.5 * result.output_before


def test_a_sum_behind_a_reshape_is_made_up_for_too() -> None:
    body = """
    c = MatMul(x, w0)
    r = Relu(c)
    d = MatMul(r, w1)
    e = Relu(d)
    flat = Reshape(e, two)
    f = Gemm(flat, w2, b2)
    back = Reshape(f, three)
    s = Add(r, back)
    y = MatMul(s, w3)
    """
    weights: dict[str, Any] = {
        "w0": (6, 12), "w1": (12, 10), "w2": (10, 12), "b2": (12,), "w3": (12, 4),
        "two": i64([-1, 10]), "three": i64([-1, 5, 12]),
    }  # fmt: skip
    analysis = analyse(from_proto(model(body, weights, inputs="float[N, 5, 6] x")))
    atoms = next(iter(removals(analysis, shares=(0.3,))))
    result = _recovered(analysis, atoms, _chunks((16, 5, 6)))
    assert ("f", True) in [(outcome.layer, outcome.compensated) for outcome in result.outcomes]
    assert result.output_after < 0.5 * result.output_before


def test_what_stands_in_for_a_branch_takes_its_mean() -> None:
    analysis = analyse(from_proto(model(RESIDUAL, RESIDUAL_WEIGHTS, inputs=IMAGES)))
    branches = Branches.of(analysis)
    (number,) = branches.spaces()
    atoms, chunks = branches.whole(analysis.spaces[number].atoms), _chunks((16, 3, 8, 8))
    result = _recovered(analysis, atoms, chunks)
    first = result.outcomes[0]
    assert (first.layer, first.method) == ("s", "bias")
    assert first.after < first.before
    assert result.output_after < result.output_before
    (node,) = (node for node in result.graph.nodes if node.op == "Add")
    solved = [chunk for place, chunk in enumerate(chunks) if place % 8 != 7]
    with opened(analysis.graph, ["f"]) as session:
        mean = np.concatenate([session.run(chunk)["f"] for chunk in solved]).mean((0, 2, 3))
    np.testing.assert_allclose(np.ravel(node.inputs[0].values), mean, rtol=1e-4, atol=1e-5)


def test_layers_of_one_input_are_solved_together() -> None:
    body = "h = MatMul(x, w)\nr = Relu(h)\nq = MatMul(r, a)\nk = MatMul(r, b)\ns = Sigmoid(q)\ny = Mul(s, k)"
    weights = {"w": _twins(RNG.standard_normal((6, 8)), 1), "a": (8, 6), "b": (8, 6)}
    analysis = analyse(from_proto(model(body, weights)))
    space = next(space for space in analysis.spaces if space.size == 8)
    opens: list[int] = []

    def counted(graph: gs.Graph, names: Any) -> Any:
        opens.append(len(graph.nodes))
        return opened(graph, names)

    removal = removal_of(analysis, space.atoms[4:])
    pruned = remove_atoms(analysis, space.atoms[4:])
    result = recover(pruned, analysis, removal, _chunks((64, 6)), counted)
    assert {outcome.layer for outcome in result.outcomes} == {"q", "k"}
    assert all(outcome.after < 1e-5 for outcome in result.outcomes)
    assert len(opens) == 2 + 4  # one part of each graph, and both outputs before and after
