"""Labels through a change of shape: merging axes makes pairs, splitting undoes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compressor.passes.labels import Labels, LabelStore, fixed, is_fixed


def merge(store: LabelStore, axes: Sequence[Labels]) -> Labels:
    """Labels of several axes flattened into one, row-major: pairs, or repeats where a side is FIXED."""
    merged = axes[0]
    for axis in axes[1:]:
        if is_fixed(merged) and is_fixed(axis):
            merged = fixed(merged.size * axis.size)
        else:
            merged = store.pair(merged[:, None], axis[None, :]).reshape(-1)
    return merged


def split(store: LabelStore, labels: Labels, sizes: Sequence[int]) -> list[Labels]:
    """Labels of one axis reshaped into axes of ``sizes`` (row-major)."""
    pieces: list[Labels] = []
    rest = labels
    for position, size in enumerate(sizes[:-1]):
        row, rest = _split_two(store, rest, size, int(np.prod(sizes[position + 1 :])))
        pieces.append(row)
    return [*pieces, rest]


def _split_two(store: LabelStore, labels: Labels, rows: int, columns: int) -> tuple[Labels, Labels]:
    if is_fixed(labels):
        return fixed(rows), fixed(columns)
    if rows == 1:
        return fixed(1), labels
    if columns == 1:
        return labels, fixed(1)
    table = store.resolve(labels).reshape(rows, columns)
    factored = _factor(store, table)
    if factored is not None:
        return factored
    row, column = store.fresh(rows), store.fresh(columns)
    store.unify(table.reshape(-1), store.pair(row[:, None], column[None, :]).reshape(-1))
    return store.resolve(row), store.resolve(column)


def splits_exactly(store: LabelStore, labels: Labels, sizes: Sequence[int]) -> bool:
    """Whether the labels of an axis are pairs of labels of axes of ``sizes`` as they stand."""
    if is_fixed(labels) or len(sizes) == 1:
        return True
    factored = _factor(store, store.resolve(labels).reshape(sizes[0], -1))
    return factored is not None and splits_exactly(store, factored[1], sizes[1:])


def _factor(store: LabelStore, table: Labels) -> tuple[Labels, Labels] | None:
    """Row and column labels whose pairs are ``table``, when it already has that form."""
    rows, columns = table.shape
    if not table.any():
        return fixed(rows), fixed(columns)
    parts = [part.reshape(rows, columns) for part in store.flatten(table.reshape(-1))]
    by_row = [bool((part == part[:, :1]).all()) for part in parts]
    by_column = [bool((part == part[:1, :]).all()) for part in parts]
    for cut in range(len(parts), -1, -1):
        if all(by_row[:cut]) and all(by_column[cut:]):
            return _join(store, [p[:, 0] for p in parts[:cut]], rows), _join(
                store, [p[0] for p in parts[cut:]], columns
            )
    return None


def _join(store: LabelStore, parts: list[Labels], length: int) -> Labels:
    joined = fixed(length)
    for part in reversed(parts):
        joined = store.pair(part, joined)
    return joined


def reshape_runs(before: Sequence[int], after: Sequence[int]) -> set[tuple[int, int]]:
    """Cut points (i, j): the first i axes of ``before`` hold as many elements as the first j of ``after``."""
    cuts = set()
    left = np.concatenate([[1], np.cumprod(np.asarray(before, np.float64))])
    right = np.concatenate([[1], np.cumprod(np.asarray(after, np.float64))])
    for i, product in enumerate(left):
        for j in np.flatnonzero(right == product):
            cuts.add((i, int(j)))
    return cuts


def refine(before: Sequence[int], after: Sequence[int]) -> list[int] | None:
    """Sizes of the finest axes of which both shapes are merges, or None when there are none."""
    products = sorted({*np.cumprod(before).tolist(), *np.cumprod(after).tolist()} - {1})
    sizes, last = [], 1
    for product in products:
        if product % last:
            return None
        sizes.append(product // last)
        last = product
    return sizes
