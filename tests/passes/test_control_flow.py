"""If, Loop and Scan: channels pass through bodies, and the cut is proven there too."""

from __future__ import annotations

import numpy as np

from compressor.passes.nested import all_nodes
from tests.passes.graphs import Weights, analysed, free_indices, prove, reasons, removals

IF = """
    h = MatMul(x, W)
    s = ReduceSum<keepdims=0>(x)
    zero = Constant<value=float {0.0}>()
    c = Greater(s, zero)
    z = If(c) <
        then_branch = yes () => (float[N, 8] a) { t = Relu(h)  a = Mul(t, G) },
        else_branch = no () => (float[N, 8] b) { u = Add(h, D)  b = Sigmoid(u) }>
    y = MatMul(z, V)
"""
IF_WEIGHTS: Weights = {"W": (6, 8), "G": (8,), "D": (8,), "V": (8, 3)}

LOOP = """
    h = MatMul(x, W)
    last, all = Loop(turns, go, h) <
        body = step (int64 i, bool keep_in, float[N, 8] state) => (bool keep, float[N, 8] next, float[N, 4] seen) {
            keep = Identity(keep_in)
            m = MatMul(state, R)
            next = Tanh(m)
            seen = MatMul(next, S)
        }>
    a = MatMul(last, V)
    total = ReduceSum<keepdims=0>(all, axes)
    b = MatMul(total, U)
    y = Add(a, b)
"""
LOOP_WEIGHTS: Weights = {
    "W": (6, 8), "R": (8, 8), "S": (8, 4), "V": (8, 3), "U": (4, 3), "axes": np.array([0], np.int64),
    "turns": np.array(3), "go": np.array(True),
}  # fmt: skip

SCAN = """
    h = MatMul(x, W)
    s0 = MatMul(first, Q)
    last, ys = Scan(s0, h) <num_scan_inputs=1,
        body = step (float[1, 8] state, float[N, 8] now) => (float[1, 8] next, float[N, 8] out) {
            r = MatMul(state, R)
            mixed = Add(r, now)
            next_sum = ReduceSum<keepdims=1>(mixed, rows)
            next = Tanh(next_sum)
            out = Relu(mixed)
        }>
    y = MatMul(ys, V)
"""
SCAN_WEIGHTS: Weights = {"W": (6, 8), "Q": (6, 8), "R": (8, 8), "V": (8, 3), "rows": np.array([0], np.int64)}


def test_channels_pass_through_both_branches_of_if() -> None:
    analysis = analysed(IF, IF_WEIGHTS, outputs="float y")
    assert [free_indices(analysis, name, 0) for name in ("G", "D", "V")] == [8, 8, 8]
    for atoms in removals(analysis):
        pruned = prove(analysis, atoms)
        shapes = {t.name: tuple(t.shape) for node in all_nodes(pruned) for t in node.inputs if t.name in IF_WEIGHTS}
        assert shapes["G"] == shapes["D"] == (8 - atoms.size,)


def test_carried_state_and_collected_values_of_loop() -> None:
    analysis = analysed(LOOP, LOOP_WEIGHTS)
    assert [space.size for space in analysis.spaces] == [8, 4]
    for atoms in removals(analysis):
        prove(analysis, atoms)


def test_states_and_slices_of_scan() -> None:
    analysis = analysed(SCAN, SCAN_WEIGHTS, inputs="float[T, N, 6] x, float[1, 6] first", outputs="float y")
    assert [space.size for space in analysis.spaces] == [8]
    for atoms in removals(analysis):
        prove(analysis, atoms)


def test_an_outer_weight_used_inside_and_outside_is_sliced_for_both() -> None:
    body = IF.replace("y = MatMul(z, V)", "k = Mul(z, G)\n    y = MatMul(k, V)")
    analysis = analysed(body, IF_WEIGHTS)
    for atoms in removals(analysis):
        prove(analysis, atoms)


def test_a_body_whose_shapes_are_unknown_pins_what_it_reads() -> None:
    known = "else_branch = no () => (float[N, 8] b) { u = Add(h, D)  b = Sigmoid(u) }"
    unknown = "else_branch = no () => (float b) { n = NonZero(h)  u = Cast<to=1>(n)  b = MatMul(u, E) }"
    body = IF.replace(known, unknown)
    body = body.replace("y = MatMul(z, V)", "y = ReduceSum<keepdims=0>(z)")
    weights = {k: v for k, v in IF_WEIGHTS.items() if k not in ("D", "V")} | {"E": (4, 4)}
    analysis = analysed(body, weights)
    assert not analysis.spaces
    assert "body" in reasons(analysis)["W:1"]


def test_bodies_are_numbered_after_their_node() -> None:
    analysis = analysed(IF, IF_WEIGHTS)
    ops = [node.op for node in analysis.nodes]
    assert ops[ops.index("If") + 1 :][:4] == ["Relu", "Mul", "Add", "Sigmoid"]
