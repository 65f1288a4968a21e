"""Shape vectors after a removal: constants, copies, inferred and computed sizes."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.passes.rewrite import removal_of
from compressor.passes.shape_patch import Entry, target_entries
from tests.passes.graphs import Weights, analysed, equal_at, f32, i64, prove, removals


def _entries(written: list[int] | None, old: tuple[int, ...], new: tuple[int, ...], *, batch: int = 2) -> list[Entry]:
    """Entries of a Reshape whose first axis is dynamic (2, then 5) with the first axis of the input alike."""
    vector = None if written is None else np.array(written)
    return target_entries(
        written=(vector, vector),
        old=((batch, *old), (batch * 5 // 2, *old)),
        new=((batch, *new), (batch * 5 // 2, *new)),
        source=((2, *new), (5, *new)),
        copy_marker=0,
        infer_marker=-1,
    )


def test_static_sizes_become_constants_and_the_batch_is_copied() -> None:
    assert _entries(None, (2, 4), (2, 3)) == [Entry(0), Entry(2), Entry(3)]


def test_a_marker_stays_where_it_was_written() -> None:
    assert _entries([-1, 2, 4], (2, 4), (1, 3)) == [Entry(-1), Entry(1), Entry(3)]
    assert _entries([0, 2, -1], (2, 4), (1, 3)) == [Entry(0), Entry(1), Entry(-1)]


def test_a_batch_times_heads_is_inferred() -> None:
    assert _entries(None, (2, 4), (2, 3), batch=8) == [Entry(-1), Entry(2), Entry(3)]


def test_a_size_that_is_neither_copied_nor_inferred_is_computed() -> None:
    entries = target_entries(
        written=(None, None), old=((8, 4), (20, 4)), new=((6, 3), (15, 3)), source=((6, 3), (15, 3)),
        copy_marker=None, infer_marker=None,
    )  # fmt: skip
    assert entries == [Entry(None, 3, 4), Entry(3)]


def test_a_reshape_copies_by_place_and_an_expand_from_the_right() -> None:
    """Of another rank than its source, so that the two ways differ."""
    wide, narrow = ((2, 2, 4), (5, 2, 4)), ((2, 8), (5, 8))
    free: tuple[None, None] = (None, None)
    reshape = target_entries(written=free, old=wide, new=wide, source=narrow, copy_marker=0, infer_marker=None)
    assert reshape == [Entry(0), Entry(2), Entry(4)]
    tall = ((3, 2, 8), (3, 5, 8))
    expand = target_entries(written=free, old=tall, new=tall, source=narrow, copy_marker=1, infer_marker=None)
    assert expand == [Entry(3), Entry(1), Entry(8)]


def test_a_merged_batch_that_shrinks_is_copied_and_nothing_is_computed() -> None:
    """[N * 8, 6] loses rows; [0, -1, 2] keeps its form."""
    body = "h = MatMul(x, w)\nf = Reshape(h, all)\ng = MatMul(f, u)\nr = Reshape(g, cut)\ns = Relu(r)\n"
    body += "b = Reshape(s, back)\no = Reshape(b, rows)\ny = MatMul(o, v)"
    analysis = analysed(body, {"w": (6, 8), "u": (1, 6), "v": (48, 5), "all": _i(-1, 1), "cut": _i(0, -1, 2),
                               "back": _i(0, 6), "rows": _i(-1, 48)})  # fmt: skip
    assert len(analysis.spaces) >= 1
    for atoms in removals(analysis, shares=(0.4,)):
        pruned = prove(analysis, atoms)
        assert [node.op for node in pruned.nodes] == [node.op for node in analysis.graph.nodes]


def test_sizes_after_a_removal_at_both_probes() -> None:
    """A dynamic axis made of batch and channels shrinks by the same share at each; an empty one stays empty."""
    analysis = analysed("h = MatMul(x, w)\nf = Reshape(h, all)\no = Reshape(f, rows)\ny = MatMul(o, v)",
                        {"w": (6, 8), "v": (8, 5), "all": _i(-1), "rows": _i(-1, 8)})  # fmt: skip
    (space,) = analysis.spaces
    removal = removal_of(analysis, space.atoms[:3])
    assert (analysis.probes[0].shapes["f"], analysis.probes[1].shapes["f"]) == ((16,), (40,))
    assert removal.new_shapes("f", removal.tensor_masks("f")) == ((10,), (25,))
    assert removal.new_shapes("h", removal.tensor_masks("h")) == ((2, 5), (5, 5))
    for probe, size in zip(analysis.probes, (0, 4), strict=True):
        probe.shapes["empty"] = (size, 8)
    assert removal.new_shapes("empty", [None, removal.tensor_masks("h")[1]]) == ((0, 5), (4, 5))


def _i(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


# Heads folded into the batch, as TorchScript exports of nn.MultiheadAttention write it.
FOLDED = """
n = Shape(x)
b = Gather(n, zero)
t = Gather(n, one)
bh = Mul(b, two)
ub = Unsqueeze(bh, ax)
ut = Unsqueeze(t, ax)
s = Concat<axis=0>(ut, ub, four)
q = MatMul(x, w)
qt = Transpose<perm=[1, 0, 2]>(q)
f = Reshape(qt, s)
r = Relu(f)
ub1 = Unsqueeze(b, ax)
s2 = Concat<axis=0>(ut, ub1, eight)
g = Reshape(r, s2)
o = Transpose<perm=[1, 0, 2]>(g)
y = MatMul(o, v)
"""
FOLDED_WEIGHTS: Weights = {
    "w": (6, 8), "v": (8, 5), "zero": i64(0), "one": i64(1), "two": i64(2), "ax": _i(0), "four": _i(4),
    "eight": _i(8),
}  # fmt: skip

STYLES: dict[str, tuple[str, Weights]] = {
    "zeros": ("s = Reshape(h, k)\nr = Relu(s)\no = Reshape(r, m)", {"k": _i(0, 0, 2, 4), "m": _i(0, 0, -1)}),
    "minus one first": ("s = Reshape(h, k)\nr = Relu(s)\no = Reshape(r, m)\n", {"k": _i(-1, 8), "m": _i(2, -1, 8)}),
    "computed whole": (
        "s = Reshape(h, k)\nr = Relu(s)\nn = Shape(h)\no = Reshape(r, n)", {"k": _i(0, -1, 2, 4)},
    ),
    "computed by parts": (
        "n = Shape(h)\nb = Slice(n, z, two)\nk = Concat<axis=0>(b, p)\ns = Reshape(h, k)\nr = Relu(s)\n"
        "m = Concat<axis=0>(b, e)\no = Reshape(r, m)", {"z": _i(0), "two": _i(2), "p": _i(2, 4), "e": _i(8)},
    ),
    "divided": (
        "n = Shape(h)\nb = Slice(n, z, two)\nc = Gather(n, two0)\nd = Div(c, heads)\nu = Unsqueeze(d, z)\n"
        "k = Concat<axis=0>(b, hv, u)\ns = Reshape(h, k)\nr = Relu(s)\nuc = Unsqueeze(c, z)\n"
        "m = Concat<axis=0>(b, uc)\no = Reshape(r, m)",
        {"z": _i(0), "two": _i(2), "two0": i64(2), "heads": i64(2), "hv": _i(2)},
    ),
    "expanded mask": (
        "n = Shape(h)\nc = Expand(one, n)\no = Mul(h, c)", {"one": f32([1.5])},
    ),
    "halves by size": (
        "n = Shape(h)\nc = Gather<axis=0>(n, two)\nd = Div(c, two)\nl = Slice(h, z, d, two)\nr = Slice(h, d, c, two)\n"
        "g = Neg(r)\no = Concat<axis=-1>(g, l)", {"z": _i(0), "two": _i(2)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLES)
def test_reshapes_of_both_exporters(style: str) -> None:
    lines, weights = STYLES[style]
    inputs = "float[2, S, 6] x" if style == "minus one first" else "float[N, S, 6] x"
    analysis = analysed(f"h = MatMul(x, w)\n{lines}\ny = MatMul(o, v)", {"w": (6, 8), "v": (8, 5), **weights},
                        inputs=inputs)  # fmt: skip
    assert sum(space.size for space in analysis.spaces) >= 4
    for atoms in removals(analysis):
        pruned = prove(analysis, atoms)
        for size in (1, 7):
            equal_at(analysis, atoms, pruned, dict.fromkeys(analysis.probes[0].sizes, size))


def test_heads_folded_into_a_dynamic_batch() -> None:
    analysis = analysed(FOLDED, FOLDED_WEIGHTS, inputs="float[N, S, 6] x")
    assert sum(space.size for space in analysis.spaces) >= 4
    for atoms in removals(analysis, shares=(0.5, 0.75)):
        pruned = prove(analysis, atoms)
        for sizes in ({"N": 1, "S": 1}, {"N": 3, "S": 11}):
            equal_at(analysis, atoms, pruned, sizes)


def test_a_symbol_that_shrinks_is_forgotten_and_others_stay() -> None:
    analysis = analysed(
        FOLDED + "z = Identity(f)\n", FOLDED_WEIGHTS, inputs="float[N, S, 6] x", outputs="float[N, S, 5] y"
    )
    (atoms,) = removals(analysis, shares=(0.5,))
    pruned = prove(analysis, atoms)
    assert pruned.outputs[0].shape == ["N", "S", 5]
    assert pruned.inputs[0].shape == ["N", "S", 6]
