"""Grouped convolutions: positions chosen group by group, the function unchanged until the cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import compressor
from compressor.errors import PlanError
from compressor.model_io import from_proto, to_proto
from compressor.passes.analysis import analyse
from compressor.passes.apply_plan import aligned, best_orders
from compressor.passes.group_alignment import find_groupings, importance
from compressor.passes.group_scores import position_scores
from compressor.passes.plan import read_plan
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.slices import Combine
from compressor.same_function import prove_same
from tests.passes.graphs import Weights, model, prove

GROUPED = """
    h = Conv<kernel_shape=[1, 1]>(x, W1)
    a = BatchNormalization(h, S, T, M, V)
    r = Relu(a)
    g = Conv<kernel_shape=[3, 3], pads=[1, 1, 1, 1], group=4>(r, W2)
    q = Relu(g)
    y = Conv<kernel_shape=[1, 1]>(q, W3)
"""
WEIGHTS: Weights = {
    "W1": (24, 3, 1, 1), "S": (24,), "T": (24,), "M": (24,), "V": np.linspace(0.5, 1.5, 24).astype(np.float32),
    "W2": (16, 6, 3, 3), "W3": (5, 16, 1, 1),
}  # fmt: skip
# The same as GROUPED, with a convolution for each group.
APART = """
    h = Conv<kernel_shape=[1, 1]>(x, W1)
    a = BatchNormalization(h, S, T, M, V)
    r = Relu(a)
    r0, r1, r2, r3 = Split<axis=1>(r, sizes)
    g0 = Conv<kernel_shape=[3, 3], pads=[1, 1, 1, 1]>(r0, U0)
    g1 = Conv<kernel_shape=[3, 3], pads=[1, 1, 1, 1]>(r1, U1)
    g2 = Conv<kernel_shape=[3, 3], pads=[1, 1, 1, 1]>(r2, U2)
    g3 = Conv<kernel_shape=[3, 3], pads=[1, 1, 1, 1]>(r3, U3)
    g = Concat<axis=1>(g0, g1, g2, g3)
    q = Relu(g)
    y = Conv<kernel_shape=[1, 1]>(q, W3)
"""
IMAGE = "float[N, 3, 8, 8] x"
# Between the convolutions the channels are shuffled across groups, which ties positions to each other.
SHUFFLED = GROUPED.replace(
    "r = Relu(a)", "s = Reshape(a, five)\n t = Transpose<perm=[0, 2, 1, 3, 4]>(s)\n r = Reshape(t, four)"
)
SIZES = {"five": np.array([0, 6, 4, 8, 8]), "four": np.array([0, 24, 8, 8])}


def grouped(body: str = GROUPED, **more: NDArray[Any]) -> onnx.ModelProto:
    return model(body, {**WEIGHTS, **more}, inputs=IMAGE)


def apart_weights() -> dict[str, NDArray[Any]]:
    """Those of ``grouped``, group by group."""
    (whole,) = (tensor for tensor in grouped().graph.initializer if tensor.name == "W2")
    parts = np.split(onnx.numpy_helper.to_array(whole), 4)
    return {"sizes": np.full(4, 6), **{f"U{number}": part for number, part in enumerate(parts)}}


def test_positions_of_each_group_line_up_and_the_function_stays() -> None:
    before = analyse(from_proto(grouped()))
    groupings = find_groupings(before)
    assert [(g.groups, g.width) for g in groupings.values()] == [(4, 6)]
    after = aligned(before, best_orders(before))
    prove_same(before, after.graph, what="aligning groups")
    name, grouping = next(iter(groupings.items()))
    had, have = importance(before, grouping), importance(after, find_groupings(after)[name])
    assert np.allclose(np.sort(had, axis=1), np.sort(have, axis=1))
    assert (np.diff(have, axis=1) <= 0).all()
    assert np.sort(have.sum(axis=0))[:3].sum() < np.sort(had.sum(axis=0))[:3].sum()


def test_a_cut_of_aligned_groups_is_proven() -> None:
    analysis = analyse(from_proto(grouped()))
    analysis = aligned(analysis, best_orders(analysis))
    space = next(s for s in analysis.spaces if s.name in find_groupings(analysis))
    prove(analysis, space.atoms[3:])


@pytest.mark.parametrize("combine", ["sum", "mean", "max"])
@pytest.mark.parametrize("name", ["l1", "l2", "lamp", "bn-scale"])
def test_positions_are_lined_up_as_the_criterion_ranks_them(name: str, combine: Combine) -> None:
    """What it says of a graph with one convolution for each group, where every position has an atom of its own."""
    analysis = analyse(from_proto(grouped()))
    apart = analyse(from_proto(model(APART, {**WEIGHTS, **apart_weights()}, inputs=IMAGE)))
    criterion = CRITERIA.get(name)
    (found,) = position_scores(analysis, criterion, combine=combine).values()
    wanted = criterion(ScoreContext(apart, 0, None, combine))[apart.state.uses[0, 1][0]].reshape(4, 6)
    assert np.array_equal(np.argsort(found, axis=1), np.argsort(wanted, axis=1))
    (order,) = best_orders(analysis, worths={next(iter(find_groupings(analysis))): found}).values()
    assert (np.diff(np.take_along_axis(found, order, 1), axis=1) <= 0).all()


def test_what_data_says_of_positions(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="gradients come from PyTorch")
    data = np.random.default_rng(0).standard_normal((16, 3, 8, 8)).astype(np.float32)
    data[:, 0] *= 20  # positions that read the first input channel weigh more than their weights tell
    source = tmp_path / "m.onnx"
    onnx.save_model(to_proto(from_proto(grouped())), source)
    chosen = {}
    for criterion in ("l1", "activation", "fisher"):
        output, plan = tmp_path / f"{criterion}.onnx", tmp_path / f"{criterion}.json"
        compressor.compress(
            source, output, channels=0.5, criterion=criterion, data=(data,), plan_path=plan, recover=False
        )
        chosen[criterion] = next(cut.groups for cut in read_plan(plan).cuts if cut.groups is not None)
        compressor.replay(source, plan, tmp_path / "again.onnx")
        assert (tmp_path / "again.onnx").read_bytes() == output.read_bytes()
        assert compressor.verify(source, output, plan).max_error < 1e-5
    assert chosen["l1"] != chosen["activation"]
    assert chosen["l1"] != chosen["fisher"]


@pytest.mark.parametrize("name", ["random", "fpgm"])
def test_criteria_that_do_not_score_by_elements_leave_it_to_the_weights(name: str) -> None:
    assert position_scores(analyse(from_proto(grouped())), CRITERIA.get(name)) == {}


def test_groups_that_something_else_looks_at_are_left_alone() -> None:
    assert not find_groupings(analyse(from_proto(grouped(SHUFFLED, **SIZES))))


def test_an_initializer_read_elsewhere_too_is_copied_not_changed() -> None:
    body = GROUPED.replace("y = Conv<kernel_shape=[1, 1]>(q, W3)", "z = Conv<kernel_shape=[1, 1]>(q, W3)\n"
                           "one = Gather<axis=0>(S, zero)\n y = Mul(z, one)")  # fmt: skip
    before = analyse(from_proto(grouped(body, zero=np.array(0))))
    for name in find_groupings(before):
        assert name
    prove_same(before, aligned(before, best_orders(before)).graph, what="aligning groups")


def test_a_plan_tells_the_positions_of_the_file_and_replays_to_the_same_bytes(tmp_path: Path) -> None:
    source, first, again = (tmp_path / name for name in ("m.onnx", "first.onnx", "again.onnx"))
    onnx.save_model(to_proto(from_proto(grouped())), source)
    compressor.compress(source, first, channels=0.5, plan_path=tmp_path / "plan.json")
    plan = read_plan(tmp_path / "plan.json")
    chosen = next(cut.groups for cut in plan.cuts if cut.groups is not None)
    assert len(chosen) == 4
    assert len({tuple(group) for group in chosen}) > 1
    compressor.replay(source, tmp_path / "plan.json", again)
    assert first.read_bytes() == again.read_bytes()
    assert compressor.verify(source, first, tmp_path / "plan.json").max_error < 1e-5


@pytest.mark.parametrize("groups", [[[0]], [[0], [1], [2], [9]], [[0, 0]] * 4, [[0, 1]] * 4])
def test_a_plan_whose_groups_do_not_fit_is_refused(tmp_path: Path, groups: list[list[int]]) -> None:
    source = tmp_path / "m.onnx"
    onnx.save_model(to_proto(from_proto(grouped())), source)
    compressor.compress(source, tmp_path / "o.onnx", channels=0.9, plan_path=tmp_path / "plan.json")
    plan = read_plan(tmp_path / "plan.json")
    cut = next(c for c in plan.cuts if c.size == 6) if any(c.size == 6 for c in plan.cuts) else plan.cuts[0]
    cut.removed, cut.groups = [cut.size - 1], groups
    plan.save(tmp_path / "plan.json")
    with pytest.raises(PlanError):
        compressor.replay(source, tmp_path / "plan.json", tmp_path / "o.onnx")
