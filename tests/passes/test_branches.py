"""Branches that go whole: which may, that a constant stands in, and that pruned still equals masked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from compressor.errors import GraphError, PlanError
from compressor.passes.analysis import Analysis
from compressor.passes.branches import Branches, goes_whole
from compressor.passes.cost import CostModel
from compressor.passes.plan import SpaceCut, atoms_of_cuts
from compressor.passes.rewrite import remove_atoms
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.selection import Options, Target, select
from tests.passes.graphs import Weights, analysed, f32, prove
from tests.passes.test_op_contract import CASES

IMAGE = "float[N, 3, 6, 6] x"
HEAD = "p = GlobalAveragePool({})\nf = Flatten(p)\ny = Gemm(f, v)"
BLOCK = "s = Conv(x, w)\nh = Conv<pads=[1, 1, 1, 1]>(s, a, ab)\ni = Relu(h)\nj = Conv<pads=[1, 1, 1, 1]>(i, b, bb)\n"
BLOCK_WEIGHTS: dict[str, Any] = {
    "w": (8, 3, 1, 1), "a": (6, 8, 3, 3), "ab": (6,), "b": (8, 6, 3, 3), "bb": (8,), "v": (8, 5),
}  # fmt: skip
SQUEEZE = (
    "s = Conv(x, w)\nh = Conv(s, a, ab)\nd = Conv<pads=[1, 1, 1, 1], group=6>(h, k)\nq = GlobalAveragePool(d)\n"
    "r = Conv(q, e, eb)\nt = Relu(r)\nu = Conv(t, g, gb)\nz = Sigmoid(u)\nm = Mul(d, z)\nj = Conv(m, b)\n"
)
SQUEEZE_WEIGHTS: dict[str, Any] = {
    "w": (8, 3, 1, 1), "a": (6, 8, 1, 1), "ab": (6,), "k": (6, 1, 3, 3), "e": (4, 6, 1, 1), "eb": (4,),
    "g": (6, 4, 1, 1), "gb": (6,), "b": (8, 6, 1, 1), "v": (8, 5),
}  # fmt: skip
TOKENS = "float[N, 5, 6] x"
PERCEPTRON = "s = MatMul(x, w)\nh = MatMul(s, a)\ni = Add(h, ab)\nr = Relu(i)\nj = MatMul(r, b)\nk = Add(j, bb)\n"
PERCEPTRON_WEIGHTS: dict[str, Any] = {
    "w": (6, 8), "a": (8, 7), "ab": (7,), "b": (7, 8), "bb": (8,), "v": (8, 5),
}  # fmt: skip
ATTENTION = (
    "s = MatMul(x, w)\nq = MatMul(s, a)\nk = MatMul(s, b)\nc = MatMul(s, d)\nt = Transpose<perm=[0, 2, 1]>(k)\n"
    "o = MatMul(q, t)\np = Softmax<axis=-1>(o)\nm = MatMul(p, c)\nj = MatMul(m, e)\nl = Add(s, j)\ny = MatMul(l, v)"
)
ATTENTION_WEIGHTS: dict[str, Any] = {"w": (6, 8), "a": (8, 4), "b": (8, 4), "d": (8, 7), "e": (7, 8), "v": (8, 5)}

MAY_GO: dict[str, tuple[str, Weights, str, set[str], int]] = {
    # body, weights, inputs, the spaces that may go, nodes that stay when all of them do
    "sum": (BLOCK + "l = Add(j, s)\nq = Relu(l)\n" + HEAD.format("q"), BLOCK_WEIGHTS, IMAGE, {"a[0]"}, 6),
    "batch norm": (
        BLOCK + "n = BatchNormalization(j, c, d, e, g)\nl = Add(s, n)\n" + HEAD.format("l"),
        {**BLOCK_WEIGHTS, **{name: f32(np.linspace(0.5, 1.5, 8)) for name in "cdeg"}}, IMAGE, {"a[0]"}, 5,
    ),
    "product": (BLOCK + "g = Sigmoid(j)\nl = Mul(s, g)\n" + HEAD.format("l"), BLOCK_WEIGHTS, IMAGE, {"a[0]"}, 6),
    "squeeze and excite": (
        SQUEEZE + "l = Add(j, s)\n" + HEAD.format("l"), SQUEEZE_WEIGHTS, IMAGE, {"a[0]", "e[0]"}, 5,
    ),
    "perceptron": (PERCEPTRON + "l = Add(k, s)\ny = MatMul(l, v)", PERCEPTRON_WEIGHTS, TOKENS, {"a[1]"}, 3),
    "values of attention": (ATTENTION, ATTENTION_WEIGHTS, TOKENS, {"d[1]"}, 3),
    "joined with others": (
        BLOCK + "l = Concat<axis=1>(j, s)\n" + HEAD.format("l"), {**BLOCK_WEIGHTS, "v": (16, 5)}, IMAGE, set(), 8,
    ),
    "read by a convolution": (
        BLOCK + "l = Conv(j, c)\n" + HEAD.format("l"), {**BLOCK_WEIGHTS, "c": (8, 8, 3, 3)}, IMAGE, set(), 8,
    ),
    "added to a smaller tensor": (
        BLOCK + "t = GlobalAveragePool(s)\nl = Add(j, t)\n" + HEAD.format("l"), BLOCK_WEIGHTS, IMAGE, set(), 9,
    ),
}  # fmt: skip


def _whole(analysis: Analysis) -> Any:
    branches = Branches.of(analysis)
    atoms = [analysis.spaces[number].atoms for number in branches.spaces()]
    return branches.whole(np.concatenate([np.zeros(0, np.int64), *atoms]))


@pytest.mark.parametrize("name", MAY_GO)
def test_which_may_go_and_what_is_left(name: str) -> None:
    body, weights, inputs, names, left = MAY_GO[name]
    analysis = analysed(body, weights, inputs=inputs)
    found = Branches.of(analysis).spaces()
    assert {analysis.spaces[number].name for number in found} == names
    assert len(prove(analysis, _whole(analysis)).nodes) == left


@pytest.mark.parametrize("name", MAY_GO)
def test_without_branches_and_with_fewer_channels_elsewhere(name: str) -> None:
    body, weights, inputs, _, _ = MAY_GO[name]
    analysis = analysed(body, weights, inputs=inputs)
    whole = _whole(analysis)
    others = np.concatenate([space.atoms[:2] for space in analysis.spaces if not space.soft])
    prove(analysis, np.union1d(whole, CostModel(analysis).protect(np.setdiff1d(others, whole))))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_branch_of_every_op(case: Any) -> None:
    analysis = case.analysed()
    branches = Branches.of(analysis)
    for number in branches.spaces():
        atoms = branches.whole(analysis.spaces[number].atoms)
        if case.kernel:
            prove(analysis, atoms)
        else:
            remove_atoms(analysis, atoms)


def test_what_nothing_reads_any_more_goes_along() -> None:
    analysis = analysed(ATTENTION, ATTENTION_WEIGHTS, inputs=TOKENS)
    names = [space.name for space in analysis.spaces]
    (values,) = (number for number, name in enumerate(names) if name == "d[1]")
    assert [names[other] for other in Branches.of(analysis).spaces()[values]] == ["a[1]"]
    cost = CostModel(analysis)
    assert cost.cost(_whole(analysis)).params == 6 * 8 + 8 * 5


def test_the_constant_is_the_bias_cut_like_the_sum() -> None:
    body, weights, inputs, *_ = MAY_GO["sum"]
    analysis = analysed(body, weights, inputs=inputs)
    stream = next(space for space in analysis.spaces if space.name == "w[0]")
    graph = prove(analysis, np.union1d(_whole(analysis), stream.atoms[[1, 4]]))
    (node,) = (node for node in graph.nodes if node.op == "Add")
    bias = np.asarray(analysis.graph.tensors()["bb"].values)
    np.testing.assert_array_equal(node.inputs[0].values, np.delete(bias, [1, 4]).reshape(1, -1, 1, 1))


def test_two_branches_that_are_only_added_to_each_other_do_not_go_both() -> None:
    body = (
        "h = Conv(x, a)\nj = Conv(h, b)\nk = Conv(x, c)\nm = Conv(k, d)\nl = Add(j, m)\n" + HEAD.format("l")
    )  # fmt: skip
    weights = {"a": (6, 3, 1, 1), "b": (8, 6, 1, 1), "c": (6, 3, 1, 1), "d": (8, 6, 1, 1), "v": (8, 5)}
    analysis = analysed(body, weights, inputs=IMAGE)
    branches = Branches.of(analysis)
    both = np.concatenate([space.atoms for space in analysis.spaces if space.name in ("a[0]", "c[0]")])
    assert {analysis.spaces[number].name for number in branches.spaces()} == {"a[0]", "c[0]"}
    assert branches.ends(both) is None
    np.testing.assert_array_equal(branches.whole(both), np.sort(both[:6]))
    with pytest.raises(GraphError, match="every channel of an axis would go"):
        remove_atoms(analysis, both)
    found = select(
        analysis, CostModel(analysis), _scores(analysis), Target("macs", 0.3),
        Options(scope="global", normalise=False, drop_branches=True),
    )  # fmt: skip
    prove(analysis, found.atoms)
    assert found.after == CostModel(analysis).cost(found.atoms)


def _scores(analysis: Analysis) -> Any:
    return CRITERIA.get("l1")(ScoreContext(analysis, 0))


def test_selection_takes_a_branch_only_when_asked() -> None:
    body, weights, inputs, *_ = MAY_GO["sum"]
    small = {name: f32(np.random.default_rng(0).standard_normal(shape)) for name, shape in weights.items()}
    small["b"] *= 1e-3
    small["a"] *= 1e-3
    small["ab"] *= 1e-3
    analysis = analysed(body, small, inputs=inputs)
    wishes = [Options(scope="global", normalise=False, drop_branches=drop) for drop in (True, False)]
    with_it, without = (
        select(analysis, CostModel(analysis), _scores(analysis), Target("macs", 0.15), options) for options in wishes
    )
    assert goes_whole(analysis, with_it.atoms)
    assert not goes_whole(analysis, without.atoms)
    per_space = select(
        analysis, CostModel(analysis), _scores(analysis), Target("macs", 0.15), Options(drop_branches=True)
    )
    assert not goes_whole(analysis, per_space.atoms)


def test_a_plan_may_name_all_channels_of_a_branch_alone() -> None:
    body, weights, inputs, *_ = MAY_GO["sum"]
    analysis = analysed(body, weights, inputs=inputs)

    def cut(name: str, size: int) -> SpaceCut:
        return SpaceCut(name=name, size=size, removed=list(range(size)), why="", parameters=[])

    np.testing.assert_array_equal(atoms_of_cuts([cut("a[0]", 6)], analysis), _whole(analysis))
    with pytest.raises(PlanError, match="every channel of a space that the model cannot do without"):
        atoms_of_cuts([cut("w[0]", 8)], analysis)
