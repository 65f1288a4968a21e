"""The parts of recovery: moments and ridge, the walk through the samples, the order of solving, what is perturbed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import pytest

from compressor.model_io import from_proto
from compressor.passes.recovery.moments import Moments, ridge
from compressor.passes.recovery.order import dependencies, next_wave, residual_of
from compressor.passes.recovery.perturbed import perturbed_tensors
from compressor.passes.recovery.walk import Walk
from compressor.passes.rewrite import removal_of
from compressor.verification import opened
from tests.passes.graphs import analysed, f32, model

RNG = np.random.default_rng(0)
CHAIN = """
a = MatMul(x, w)
r = Relu(a)
b = MatMul(r, v)
s = Add(b, r)
y = MatMul(s, u)
"""
WEIGHTS: dict[str, Any] = {"w": (6, 6), "v": (6, 6), "u": (6, 3)}


def test_moments_in_parts_are_those_of_the_whole() -> None:
    rows, target = RNG.standard_normal((2, 50, 3)) + 2, RNG.standard_normal((2, 50, 4)) - 1
    whole, parts = Moments(2, 3, (4,)), Moments(2, 3, (4,))
    whole.add(rows, [target])
    for start in range(0, 50, 7):
        parts.add(rows[:, start : start + 7], [target[:, start : start + 7]])
    for centred in (False, True):
        for one, other in zip(whole.system(0, centred), parts.system(0, centred), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10)
    square, _ = whole.system(0, centred=True)
    np.testing.assert_allclose(square[1], np.cov(rows[1].T, bias=True), rtol=1e-10)


def test_ridge_minimises_what_it_says() -> None:
    x, y, start = RNG.standard_normal((40, 5)), RNG.standard_normal((40, 2)), RNG.standard_normal((5, 2))
    square, cross = x.T @ x / 40, x.T @ y / 40
    found = ridge(square[None], cross[None], start[None], 0.3)[0]
    penalty = 0.3 * np.trace(square) / 5
    stacked = np.vstack([x / np.sqrt(40), np.sqrt(penalty) * np.eye(5)])
    expected = np.linalg.lstsq(stacked, np.vstack([y / np.sqrt(40), np.sqrt(penalty) * start]), rcond=None)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    exact = ridge(square[None], (square @ start)[None], start[None], 0.3)[0]
    np.testing.assert_array_equal(exact, start)  # optimal already: the answer itself


class _Counting:
    """Opens graphs and counts how often each node ran."""

    def __init__(self) -> None:
        self.runs: dict[str, int] = {}

    @contextmanager
    def __call__(self, graph: gs.Graph, names: Sequence[str]) -> Iterator[Any]:
        with opened(graph, names) as session:
            counting = self

            class _Session:
                def run(self, feeds: Any) -> Any:
                    for node in graph.nodes:
                        counting.runs[node.name] = counting.runs.get(node.name, 0) + 1
                    return session.run(feeds)

            yield _Session()


@pytest.mark.parametrize(("budget", "runs_of_first"), [(1 << 20, 3), (0, 12)])
def test_a_walk_gives_the_activations_and_runs_nodes_once_where_they_fit(budget: int, runs_of_first: int) -> None:
    graph = from_proto(model(CHAIN, WEIGHTS))
    chunks = [{"x": f32(RNG.standard_normal((size, 6)))} for size in (4, 4, 2)]
    with opened(graph, ["a", "r", "b", "s"]) as session:
        expected = [session.run(chunk) for chunk in chunks]
    opener = _Counting()
    walk = Walk(graph, opener, chunks, budget)
    for wanted in (["x"], ["r"], ["b", "r"], ["s"], ["y"]):
        for found, whole, chunk in zip(walk.stream(wanted), expected, chunks, strict=True):
            assert found.keys() == set(wanted)
            for name, value in found.items():
                np.testing.assert_allclose(value, {**whole, **chunk}[name], rtol=1e-5, atol=1e-6)
    assert opener.runs["a"] == runs_of_first
    assert opener.runs["y"] == 3


def test_a_walk_goes_on_with_weights_that_changed() -> None:
    graph = from_proto(model(CHAIN, WEIGHTS))
    walk = Walk(graph, opened, [{"x": f32(RNG.standard_normal((4, 6)))}], 1 << 20)
    (first,) = walk.stream(["r"])
    weight = next(tensor for node in graph.nodes for tensor in node.inputs if tensor.name == "v")
    weight.values = np.zeros((6, 6), np.float32)
    (second,) = walk.stream(["s"])
    np.testing.assert_array_equal(second["s"], first["r"])


def test_a_walk_keeps_what_bodies_read() -> None:
    body = """
    c = Constant<value = bool {1}>()
    r = Relu(x)
    t = Neg(x)
    h = Exp(r)
    y = If(c) <then_branch = g1 () => (float[N, 6] p) { p = Add(h, r) },
               else_branch = g2 () => (float[N, 6] q) { q = Identity(r) }>
    """
    graph = from_proto(model(body, {}))
    x = f32(RNG.standard_normal((3, 6)))
    walk = Walk(graph, opened, [{"x": x}], 1 << 20)
    (_,) = walk.stream(["h"])
    (found,) = walk.stream(["y"])
    np.testing.assert_allclose(found["y"], np.exp(np.maximum(x, 0)) + np.maximum(x, 0), rtol=1e-5)


def test_sums_are_seen_where_nothing_else_reads() -> None:
    graph = from_proto(model(CHAIN, WEIGHTS))
    readers: dict[str, list[gs.Node]] = {}
    for node in graph.nodes:
        for tensor in node.inputs:
            readers.setdefault(tensor.name, []).append(node)
    found = residual_of("b", readers, {"y"})
    assert found is not None
    assert (found.total, found.other) == ("s", "r")
    assert residual_of("a", readers, {"y"}) is None
    assert residual_of("b", readers, {"y", "b"}) is None  # the model gives it too


def test_waves_wait_for_inputs_and_the_last_of_a_sum_makes_up() -> None:
    body = """
    q = MatMul(x, w)
    k = MatMul(x, v)
    s = Add(q, k)
    y = MatMul(s, u)
    """
    graph = from_proto(model(body, WEIGHTS))
    needs = dependencies(graph, ["q", "k", "y"])
    assert [needs[name] for name in ("q", "k", "s", "y")] == [1, 2, 3, 7]
    inputs, others = {0: 0, 1: 0, 2: needs["s"]}, {0: needs["k"], 1: needs["q"]}
    assert next_wave([0, 1, 2], inputs, others) == [(0, False)]
    assert next_wave([1, 2], inputs, others) == [(1, True)]
    assert next_wave([2], inputs, others) == [(2, False)]
    assert next_wave([0, 1, 2], inputs, {}) == [(0, False), (1, False)]


def test_only_what_reads_a_cut_axis_or_comes_after_is_perturbed() -> None:
    analysis = analysed("h = MatMul(x, w)\nr = Relu(h)\ny = MatMul(r, v)\nz = Tanh(x)", {"w": (6, 8), "v": (8, 3)},
                        outputs="float y, float z")  # fmt: skip
    removal = removal_of(analysis, analysis.spaces[0].atoms[:3])
    assert perturbed_tensors(analysis, removal) == {"y"}
    assert perturbed_tensors(analysis, removal_of(analysis, analysis.spaces[0].atoms[:0])) == set()
