"""What a schedule of cuts rests on: selections that only grow, scores of what is left, values put back in place."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import onnx_graphsurgeon as gs
import pytest

from compressor.errors import GraphError
from compressor.graph_copy import copy_graph
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.apply_plan import aligned, best_orders
from compressor.passes.carried_scores import scores_without
from compressor.passes.cost import CostModel
from compressor.passes.labels import Labels
from compressor.passes.nested import all_nodes
from compressor.passes.put_back import in_first_positions, put_back
from compressor.passes.rewrite import remove_and_match, remove_atoms
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.selection import COUNTED, Metric, Options, Scope, Target, counted, select
from compressor.passes.slices import Scores
from compressor.tensor_values import peek
from compressor.verification import difference, opened
from tests.passes.graphs import analysed, removals

RESIDUAL = analysed(
    """
h = Conv<pads=[1, 1, 1, 1]>(x, w, b)
i = Relu(h)
j = Conv<pads=[1, 1, 1, 1], group=4>(i, k)
l = Add(i, j)
m = Conv(l, u)
p = GlobalAveragePool(m)
f = Flatten(p)
y = Gemm(f, v)
""",
    {"w": (24, 3, 3, 3), "b": (24,), "k": (24, 6, 3, 3), "u": (40, 24, 1, 1), "v": (40, 10)},
    inputs="float[N, 3, 6, 6] x",
)
HEADS = analysed(
    """
q = MatMul(x, wq)
q4 = Reshape(q, split)
qt = Transpose<perm=[0, 2, 1, 3]>(q4)
k = MatMul(x, wk)
k4 = Reshape(k, split)
kt = Transpose<perm=[0, 2, 3, 1]>(k4)
s = MatMul(qt, kt)
a = Softmax<axis=-1>(s)
v = MatMul(x, wv)
v4 = Reshape(v, split)
vt = Transpose<perm=[0, 2, 1, 3]>(v4)
o = MatMul(a, vt)
ot = Transpose<perm=[0, 2, 1, 3]>(o)
of = Reshape(ot, join)
y = MatMul(of, wo)
""",
    {"wq": (12, 24), "wk": (12, 24), "wv": (12, 24), "wo": (24, 5), "split": np.array([0, 0, 4, 6]),
     "join": np.array([0, 0, 24])},
    inputs="float[2, 7, 12] x",
)  # fmt: skip
GRAPHS = {"residual": RESIDUAL, "heads": HEADS}
NONE = np.zeros(0, np.int64)


@pytest.mark.parametrize("metric", COUNTED)
@pytest.mark.parametrize("scope", get_args(Scope))
@pytest.mark.parametrize("round_to", [1, 2])
@pytest.mark.parametrize("name", GRAPHS)
def test_steps_only_take_and_each_meets_the_share_of_the_whole(
    name: str, round_to: int, scope: Scope, metric: Metric
) -> None:
    analysis, rng = GRAPHS[name], np.random.default_rng(0)
    model, gone = CostModel(analysis, sizes={"N": 1}), NONE
    for keep in (0.8, 0.65, 0.6, 0.5):
        scores = rng.random(len(analysis.state.store))
        scores[gone] = np.inf
        found = select(analysis, model, scores, Target(metric, keep), Options(scope=scope, round_to=round_to), gone)
        assert set(gone) <= set(found.atoms)
        assert found.before == model.cost(NONE)
        assert counted(found.after, metric) <= keep * counted(found.before, metric)
        assert found.after == model.cost(found.atoms)
        gone = found.atoms


def test_a_step_that_has_its_share_already_takes_nothing() -> None:
    model = CostModel(RESIDUAL)
    scores = CRITERIA.get("l1")(ScoreContext(RESIDUAL, 0))
    first = select(RESIDUAL, model, scores, Target("channels", 0.5), Options(round_to=8)).atoms
    again = select(RESIDUAL, model, scores, Target("channels", 0.55), Options(), first).atoms
    np.testing.assert_array_equal(first, again)


def test_a_space_that_may_lose_no_more_keeps_what_is_left() -> None:
    model, rng = CostModel(RESIDUAL), np.random.default_rng(0)
    scores = rng.random(len(RESIDUAL.state.store))
    first = select(RESIDUAL, model, scores, Target("params", 0.8), Options()).atoms
    wide = max(RESIDUAL.spaces, key=lambda space: space.size)
    scores[wide.atoms] = np.inf
    for scope in get_args(Scope):
        second = select(RESIDUAL, model, scores, Target("params", 0.5), Options(scope=scope), first).atoms
        np.testing.assert_array_equal(np.intersect1d(second, wide.atoms), np.intersect1d(first, wide.atoms))


@pytest.mark.parametrize("name", GRAPHS)
def test_scores_are_those_of_the_graph_without_what_went(name: str) -> None:
    """L1 of the smaller graph: sums over the entries that are left, here taken from the whole graph by hand."""
    analysis = GRAPHS[name]
    (gone,) = removals(analysis, shares=(0.4,))
    found = scores_without(analysis, gone, CRITERIA.get("l1"))
    store, expected = analysis.state.store, np.zeros(len(analysis.state.store))
    mark = np.zeros(len(store), np.bool_)
    mark[gone] = True
    for (node, slot), axes in analysis.state.uses.items():
        values = np.abs(peek(analysis.nodes[node].inputs[slot]).astype(np.float64))
        if analysis.nodes[node].inputs[slot].dtype != np.float32:
            continue
        for axis, labels in enumerate(axes):
            values[(slice(None),) * axis + (store.removed(mark, labels),)] = 0
        for axis, labels in enumerate(axes):
            for column in store.flatten(labels):
                sums = values.sum(axis=tuple(i for i in range(values.ndim) if i != axis))
                expected += np.bincount(column, weights=sums, minlength=expected.size)
    left = np.setdiff1d(np.concatenate([space.atoms for space in analysis.spaces]), gone)
    np.testing.assert_allclose(found[left], expected[left], rtol=1e-5)
    assert np.isinf(found[gone]).all()


def _with_new_values(graph: gs.Graph, seed: int = 5) -> gs.Graph:
    """Every floating-point initializer drawn anew."""
    rng, fresh = np.random.default_rng(seed), copy_graph(graph)
    for constant in {id(t): t for node in all_nodes(fresh) for t in node.inputs if isinstance(t, gs.Constant)}.values():
        if constant.dtype == np.float32:
            constant.values = rng.standard_normal(constant.shape).astype(np.float32)
    return fresh


def _same_function(left: gs.Graph, right: gs.Graph, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    with opened(left) as one, opened(right) as other:
        expected, actual = one.run({"x": x}), other.run({"x": x})
    for name, value in expected.items():
        error, tolerance = difference(actual[name], value, name)
        assert error <= tolerance


@pytest.mark.parametrize("name", GRAPHS)
def test_what_is_put_back_comes_out_of_the_same_cut_again(name: str) -> None:
    analysis = GRAPHS[name]
    (gone,) = removals(analysis, shares=(0.4,))
    trained = _with_new_values(remove_atoms(analysis, gone))
    whole = put_back(analysis, gone, trained)
    again = analyse(whole)
    assert [(space.name, space.size) for space in again.spaces] == [(s.name, s.size) for s in analysis.spaces]
    values = {t.name: peek(t) for node in all_nodes(trained) for t in node.inputs if isinstance(t, gs.Constant)}
    cut = remove_atoms(again, gone)
    assert {t.name for node in all_nodes(cut) for t in node.inputs if isinstance(t, gs.Constant)} == set(values)
    for node in all_nodes(cut):
        for tensor in node.inputs:
            if isinstance(tensor, gs.Constant):
                np.testing.assert_array_equal(peek(tensor), values[tensor.name])


def test_what_went_keeps_its_numbers_and_what_did_not_change_is_the_same_array() -> None:
    (gone,) = removals(RESIDUAL, shares=(0.4,))
    trained = remove_atoms(RESIDUAL, gone)
    (weight,) = (t for node in trained.nodes for t in node.inputs if t.name == "u")
    weight.values = peek(weight) + 1
    whole = {t.name: t for node in put_back(RESIDUAL, gone, trained).nodes for t in node.inputs}
    old = {t.name: t for node in RESIDUAL.graph.nodes for t in node.inputs}
    assert whole["w"]._values is old["w"]._values
    moved = peek(whole["u"]) - peek(old["u"])
    assert set(np.unique(moved.round(3))) == {0, 1}
    assert int((moved > 0.5).sum()) == peek(weight).size


def test_a_bias_that_recovery_added_comes_along() -> None:
    (gone,) = removals(RESIDUAL, shares=(0.4,))
    trained = remove_atoms(RESIDUAL, gone)
    conv = next(node for node in trained.nodes if node.name == "m")
    assert len(conv.inputs) == 2
    width = int(conv.inputs[1].shape[0])
    conv.inputs.append(gs.Constant("u_bias", np.arange(1, width + 1, dtype=np.float32)))
    again = analyse(put_back(RESIDUAL, gone, trained))
    names = {space.name: space for space in again.spaces}
    atoms = [names[s.name].atoms[np.isin(s.atoms, gone)] for s in RESIDUAL.spaces]
    _same_function(remove_atoms(again, np.sort(np.concatenate(atoms))), trained, (2, 3, 6, 6))


def test_a_bias_for_all_that_became_one_for_each_comes_along() -> None:
    weights: dict[str, Any] = {"w": (6, 8), "b": np.full(1, 2, np.float32), "u": (8, 4)}
    analysis = analysed("h = MatMul(x, w)\ni = Add(h, b)\nj = Relu(i)\ny = MatMul(j, u)", weights)
    (gone,) = removals(analysis, shares=(0.4,))
    trained = remove_atoms(analysis, gone)
    add = next(node for node in trained.nodes if node.op == "Add")
    width = 8 - gone.size
    add.inputs[1] = gs.Constant("b_each", np.arange(10, 10 + width, dtype=np.float32))
    whole = put_back(analysis, gone, trained)
    again = analyse(whole)
    assert again.spaces[0].size == 8
    atoms = again.spaces[0].atoms[np.isin(analysis.spaces[0].atoms, gone)]
    _same_function(remove_atoms(again, atoms), trained, (2, 6))


def test_an_initializer_of_another_shape_is_refused() -> None:
    trained = copy_graph(RESIDUAL.graph)
    trained.nodes[0].inputs[1] = gs.Constant("w", np.zeros((23, 3, 3, 3), np.float32))
    with pytest.raises(GraphError, match="'w' has become something else"):
        put_back(RESIDUAL, NONE, trained)


def test_uses_that_were_trained_apart_get_initializers_of_their_own() -> None:
    analysis = analysed("a = MatMul(x, w)\nb = Relu(a)\nc = MatMul(b, w)\ny = MatMul(c, v)", {"w": (6, 6), "v": (6, 4)})
    trained = copy_graph(analysis.graph)
    second = next(node for node in trained.nodes if node.name == "c")
    second.inputs[1] = gs.Constant("w_own", peek(second.inputs[1]) + 1)
    whole = put_back(analysis, NONE, trained)
    _same_function(whole, trained, (2, 6))
    names = [node.inputs[1].name for node in whole.nodes if node.op == "MatMul"]
    assert names[0] == "w" != names[1]


def test_a_branch_that_went_whole_has_nowhere_to_be_put_back() -> None:
    analysis = analysed(
        "h = MatMul(x, w)\ni = MatMul(h, a)\nj = MatMul(i, b)\nk = Add(h, j)\ny = MatMul(k, v)",
        {"w": (6, 8), "a": (8, 4), "b": (4, 8), "v": (8, 3)},
    )
    (space,) = (space for space in analysis.spaces if space.name == "a[1]")
    with pytest.raises(GraphError, match="Drop branches in the last step of a schedule"):
        put_back(analysis, space.atoms, remove_atoms(analysis, space.atoms))


def test_another_graph_is_refused() -> None:
    with pytest.raises(GraphError, match="has no Conv"):
        put_back(RESIDUAL, NONE, copy_graph(HEADS.graph))


def test_aligned_groups_go_back_to_their_places() -> None:
    analysis = analysed(
        "h = Conv(x, w)\ni = Relu(h)\nj = Conv<group=4>(i, k)\ny = Conv(j, u)",
        {"w": (24, 3, 1, 1), "k": (24, 6, 1, 1), "u": (5, 24, 1, 1)},
        inputs="float[N, 3, 4, 4] x",
    )
    orders = best_orders(analysis)
    assert orders
    there = aligned(analysis, orders)
    assert not np.array_equal(peek(there.nodes[0].inputs[1]), peek(analysis.nodes[0].inputs[1]))
    back = in_first_positions(there, copy_graph(there.graph), orders)
    for old, new in zip(analysis.nodes, back.nodes, strict=True):
        for one, other in zip(old.inputs, new.inputs, strict=True):
            if isinstance(one, gs.Constant):
                np.testing.assert_array_equal(peek(one), peek(other))


def test_every_node_of_a_cut_is_matched() -> None:
    (gone,) = removals(HEADS, shares=(0.4,))
    graph, matching = remove_and_match(HEADS, gone)
    assert [node.op for node in matching] == [node.op for node in HEADS.nodes]
    alive = {id(node) for node in all_nodes(graph)}
    assert all(id(node) in alive for node in matching)


def scored(analysis: Analysis, gone: Labels, name: str) -> Scores:
    """Scores of what is left."""
    scores = scores_without(analysis, gone, CRITERIA.get(name), seed=3)
    left: Scores = scores[np.setdiff1d(np.concatenate([space.atoms for space in analysis.spaces]), gone)]
    return left


@pytest.mark.parametrize("name", ["l1", "l2", "fpgm", "lamp", "random"])
def test_every_criterion_of_weights_scores_what_is_left(name: str) -> None:
    (gone,) = removals(RESIDUAL, shares=(0.4,))
    before, after = scored(RESIDUAL, NONE, name), scored(RESIDUAL, gone, name)
    assert np.isfinite(before).all()
    assert np.isfinite(after).all()
