"""Splitting undoes merging; random chains of reshapes prune as the masked original does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.passes.labels import FIXED, LabelStore, fixed, is_fixed
from compressor.passes.split_merge import merge, refine, reshape_runs, split, splits_exactly
from tests.passes.graphs import analysed, prove, removals

SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=4)


@given(SIZES, st.data())
@settings(max_examples=100, deadline=None)
def test_split_undoes_merge(sizes: list[int], data: st.DataObject) -> None:
    store = LabelStore()
    whole = data.draw(st.lists(st.booleans(), min_size=len(sizes), max_size=len(sizes)))
    axes = [fixed(n) if flat or n == 1 else store.fresh(n) for n, flat in zip(sizes, whole, strict=True)]
    again = split(store, merge(store, axes), sizes)
    for axis, back in zip(axes, again, strict=True):
        np.testing.assert_array_equal(store.resolve(back), axis)


@given(st.integers(2, 4), st.integers(2, 4))
def test_splitting_what_was_never_merged_binds_rows_and_columns(rows: int, columns: int) -> None:
    store = LabelStore()
    atoms = store.fresh(rows * columns)
    row, column = split(store, atoms, [rows, columns])
    assert np.unique(store.resolve(row)).size == rows
    assert np.unique(store.resolve(column)).size == columns
    gone = np.zeros(len(store), np.bool_)
    gone[store.resolve(row)[0]] = gone[store.resolve(column)[-1]] = True
    grid = store.removed(gone, atoms).reshape(rows, columns)
    expected = np.zeros((rows, columns), np.bool_)
    expected[0] = True
    expected[:, -1] = True
    np.testing.assert_array_equal(grid, expected)


def test_a_second_split_along_the_same_lines_finds_the_same_atoms() -> None:
    store = LabelStore()
    atoms = store.fresh(24)
    first = split(store, atoms, [2, 3, 4])
    second = split(store, atoms, [2, 3, 4])
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(store.resolve(one), store.resolve(other))
    six, four = split(store, atoms, [6, 4])
    for one, other in zip(six, merge(store, first[:2]), strict=True):
        np.testing.assert_array_equal(store.atoms(one), store.atoms(other))
    np.testing.assert_array_equal(store.resolve(four), store.resolve(first[2]))


def test_pinned_columns_leave_the_rows_free() -> None:
    store = LabelStore()
    atoms = store.fresh(6)
    row, column = split(store, atoms, [2, 3])
    store.pin(column)
    assert (store.resolve(row) != FIXED).all()
    assert is_fixed(store.resolve(column))
    np.testing.assert_array_equal(store.resolve(atoms), np.repeat(store.resolve(row), 3))


def test_what_was_merged_splits_exactly_along_the_same_lines_only() -> None:
    store = LabelStore()
    three, four, two = (store.fresh(n) for n in (3, 4, 2))
    merged = merge(store, [three, four, two])
    assert splits_exactly(store, merged, [3, 4, 2])
    assert splits_exactly(store, merged, [12, 2])
    assert splits_exactly(store, merged, [3, 8])
    assert splits_exactly(store, merged, [24])
    assert not splits_exactly(store, merged, [4, 6])
    assert not splits_exactly(store, merged, [3, 2, 4])  # the rest of the first cut does not come apart
    assert not splits_exactly(store, merged, [4, 3, 2])
    assert not splits_exactly(store, store.fresh(6), [2, 3])
    assert splits_exactly(store, fixed(6), [2, 3])


@pytest.mark.parametrize("sizes", [[1, 3], [3, 1], [1, 3, 1]])
def test_axes_of_size_1_come_and_go(sizes: list[int]) -> None:
    store = LabelStore()
    atoms = store.fresh(3)
    assert splits_exactly(store, atoms, sizes)
    assert len(store) == 4  # nothing was made on the way


def test_fixed_and_free_sides_split_as_they_were_merged() -> None:
    """A FIXED side leaves repeats, whose rows or columns are alike."""
    store = LabelStore()
    rows, columns = store.fresh(2), store.fresh(3)
    for left, right in ((rows, fixed(3)), (fixed(2), columns), (rows, columns)):
        one, other = split(store, merge(store, [left, right]), [2, 3])
        np.testing.assert_array_equal(store.resolve(one), store.resolve(left))
        np.testing.assert_array_equal(store.resolve(other), store.resolve(right))
    half = np.concatenate([fixed(1), store.fresh(1)])  # one row stays, the other may go
    one, other = split(store, merge(store, [half, columns]), [2, 3])
    np.testing.assert_array_equal(store.resolve(one), store.resolve(half))
    np.testing.assert_array_equal(store.resolve(other), store.resolve(columns))


@pytest.mark.parametrize(
    ("before", "after", "finest"),
    [
        ([6], [2, 3], [2, 3]),
        ([2, 6], [4, 3], [2, 2, 3]),
        ([4, 6], [6, 4], None),
        ([2, 3, 4], [24], [2, 3, 4]),
        ([6, 4], [3, 8], [3, 2, 4]),
    ],
)
def test_refine(before: list[int], after: list[int], finest: list[int] | None) -> None:
    assert refine(before, after) == finest


@given(SIZES, SIZES)
def test_runs_start_at_nothing_and_end_at_everything(before: list[int], after: list[int]) -> None:
    cuts = reshape_runs(before, after)
    assert (0, 0) in cuts
    assert ((len(before), len(after)) in cuts) == (math.prod(before) == math.prod(after))
    assert all(math.prod(before[:i]) == math.prod(after[:j]) for i, j in cuts)


def _factorings(total: int) -> st.SearchStrategy[list[int]]:
    """Ordered factorings of ``total`` into up to four numbers, ones included."""
    divisors = [n for n in range(1, total + 1) if total % n == 0]
    return (
        st.lists(st.sampled_from(divisors), max_size=3)
        .filter(lambda parts: total % math.prod(parts) == 0)
        .map(lambda parts: [*parts, total // math.prod(parts)])
    )


@given(st.lists(_factorings(24), min_size=1, max_size=3), st.data())
@settings(max_examples=60, deadline=None)
def test_random_chains_of_reshapes_and_transposes(shapes: list[list[int]], data: st.DataObject) -> None:
    """x W -> reshape, transpose, ... -> flatten -> V: whatever the analysis frees is proven by running."""
    body = ["h0 = MatMul(x, w)"]
    weights: dict[str, Any] = {"w": (3, 24), "v": (24, 2)}
    for i, shape in enumerate(shapes):
        weights[f"s{i}"] = np.array([0, *shape])
        perm = [0, *(1 + p for p in data.draw(st.permutations(range(len(shape)))))]
        body += [f"r{i} = Reshape(h{i}, s{i})", f"h{i + 1} = Transpose<perm={perm}>(r{i})"]
    body += [f"f = Flatten(h{len(shapes)})", "y = MatMul(f, v)"]
    analysis = analysed("\n".join(body), weights, inputs="float[N, 3] x")
    for atoms in removals(analysis, shares=(0.5,)):
        prove(analysis, atoms)
