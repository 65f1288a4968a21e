"""If, Loop and Scan: channels pass through bodies, and the cut is proven there too."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.model_io import from_proto
from compressor.normalize import normalize
from compressor.passes.analysis import analyse
from compressor.passes.nested import all_nodes
from tests.fuzz.promises import check_labels
from tests.passes.graphs import Weights, analysed, free_indices, model, prove, reasons, removals

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


# name -> body, weights, inputs, sizes of the spaces. What meets in a body was two things before.
TIED: dict[str, tuple[str, Weights, str, list[int]]] = {
    "branches with a weight each": ("""
        h = MatMul(x, W)
        s = ReduceSum<keepdims=0>(x)
        zero = Constant<value=float {0.0}>()
        c = Greater(s, zero)
        z = If(c) <
            then_branch = yes () => (float[N, 8] a) { t = Relu(h)  a = Mul(t, G) },
            else_branch = no () => (float[N, 8] b) { u = MatMul(x, E)  b = Sigmoid(u) }>
        y = MatMul(z, V)
    """, {"W": (6, 8), "G": (8,), "E": (6, 8), "V": (8, 3)}, "float[N, 6] x", [8]),
    "branches and other widths inside": ("""
        h = MatMul(x, W)
        s = ReduceSum<keepdims=0>(x)
        zero = Constant<value=float {0.0}>()
        c = Greater(s, zero)
        z, k = If(c) <
            then_branch = yes () => (float[N, 8] a, float[N, 4] d) { t = MatMul(h, G)  r = Relu(t)  a = MatMul(r, F)
                                                                     d = MatMul(r, S) },
            else_branch = no () => (float[N, 8] b, float[N, 4] e) { b = Sigmoid(h)  e = MatMul(h, T) }>
        m = MatMul(z, V)
        n = MatMul(k, U)
        y = Add(m, n)
    """, {"W": (6, 8), "G": (8, 5), "F": (5, 8), "S": (5, 4), "T": (8, 4), "V": (8, 3), "U": (4, 3)},
        "float[N, 6] x", [8, 5, 4]),
    "a body that reads the turn and the condition": ("""
        h = MatMul(x, W)
        last, all = Loop(turns, go, h) <
            body = step (int64 i, bool keep_in, float[N, 8] state) => (bool keep, float[N, 8] next, float[N, 4] seen) {
                keep = Identity(keep_in)
                f = Cast<to=1>(i)
                g = Cast<to=1>(keep_in)
                s = Add(f, g)
                t = Mul(state, s)
                m = MatMul(x, R)
                next = Add(t, m)
                seen = MatMul(next, S)
            }>
        a = MatMul(last, V)
        total = ReduceSum<keepdims=0>(all, axes)
        b = MatMul(total, U)
        y = Add(a, b)
    """, {**LOOP_WEIGHTS, "R": (6, 8)}, "float[N, 6] x", [8, 4]),
    "states that two products start": ("""
        h = MatMul(x, W)
        s0 = MatMul(first, Q)
        last, ys = Scan(s0, h) <num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[-1],
            body = step (float[5, 8] state, float[5, 8] now) => (float[5, 8] next, float[5, 4] out) {
                n = Mul(state, G)
                next = Add(n, now)
                out = MatMul(next, S)
            }>
        r = Transpose<perm=[0, 2, 1]>(ys)
        a = MatMul(r, V)
        total = ReduceSum<keepdims=0>(a, axes)
        b = MatMul(last, U)
        y = Add(total, b)
    """, {"W": (6, 8), "Q": (6, 8), "G": (8,), "S": (8, 4), "V": (4, 3), "U": (8, 3), "axes": np.array([1])},
        "float[5, T, 6] x, float[5, 6] first", [8, 4]),
}  # fmt: skip


@pytest.mark.parametrize("name", TIED)
def test_what_a_body_joins_goes_together(name: str) -> None:
    body, weights, inputs, sizes = TIED[name]
    analysis = analysed(body, weights, inputs=inputs, outputs="float y")
    check_labels(analysis)
    assert sorted(space.size for space in analysis.spaces) == sorted(sizes)
    for atoms in removals(analysis):
        prove(analysis, atoms)


def test_the_axis_that_scan_runs_along_stays() -> None:
    """Its body tells no turn from another: every index has an effect of its own."""
    body = """
        h = MatMul(x, W)
        last, ys = Scan(s0, h) <num_scan_inputs=1, scan_input_axes=[1],
            body = step (float[N] state, float[N] now) => (float[N] next, float[N] out) {
                e = Exp(now)
                next = Add(state, e)
                out = Mul(next, now)
            }>
        r = Transpose(ys)
        m = MatMul(r, V)
        y = Add(m, last)
    """
    analysis = analysed(body, {"W": (6, 8), "V": (8, 3)}, inputs="float[3, 6] x, float[3] s0")
    assert not analysis.spaces
    assert "Scan runs along this axis" in reasons(analysis)["W:1"]


def test_a_constant_that_a_branch_hands_out_stays_whole() -> None:
    body = IF.replace("float[N, 8]", "float[8]").replace("h = MatMul(x, W)", "h0 = MatMul(x, W)\n h = Reshape(h0, S)")
    body = body.replace(
        "{ u = Add(h, D)  b = Sigmoid(u) }", "{ b = Constant<value_floats=[1.,2.,3.,4.,5.,6.,7.,8.]>() }"
    )
    weights = {**{k: v for k, v in IF_WEIGHTS.items() if k != "D"}, "S": np.array([8])}
    analysis = analyse(normalize(from_proto(model(body, weights, inputs="float[1, 6] x"))))
    assert not analysis.spaces
    assert "If" in reasons(analysis)["G:0"]
