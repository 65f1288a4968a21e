"""The label store against plain first-order unification, and the laws that pruning rests on."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from compressor.passes.labels import FIXED, Labels, LabelStore, fixed, is_fixed
from tests.passes.term_reference import Reference

ATOMS = 5
# (kind, index, index) over the labels made so far; indices are taken modulo their number.
NUMBERS = st.integers(0, 99)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("pair"), st.integers(0, 99), st.integers(0, 99)),
        st.tuples(
            st.just("unify"), st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=4), st.just(0)
        ),
        st.tuples(st.just("pin"), st.integers(0, 99), st.just(0)),
    ),
    max_size=7,
)


def play(steps: list[tuple[str, object, int]]) -> tuple[LabelStore, list[int], list[tuple[int, int]], list[int]]:
    """The store after the steps, its labels, what was unified and what was pinned (as label numbers)."""
    store = LabelStore()
    labels = store.fresh(ATOMS).tolist()
    equal: list[tuple[int, int]] = []
    pinned: list[int] = []
    for kind, what, other in steps:
        if kind == "pair":
            assert isinstance(what, int)
            a, b = labels[what % len(labels)], labels[other % len(labels)]
            labels.append(int(store.pair(_array(a), _array(b))[0]))
        elif kind == "pin":
            assert isinstance(what, int)
            pinned.append(what % len(labels))
            store.pin(_array(labels[pinned[-1]]))
        else:
            assert isinstance(what, list)
            batch = [(a % len(labels), b % len(labels)) for a, b in what]
            equal += batch
            store.unify(_array(*(labels[a] for a, _ in batch)), _array(*(labels[b] for _, b in batch)))
    return store, labels, equal, pinned


def _array(*ids: int) -> Labels:
    return np.array(ids, np.int64)


def patterns(store: LabelStore, labels: list[int]) -> set[tuple[bool, ...]]:
    """Which labels go, for every choice of free atoms that go."""
    ids = _array(*labels)
    free = store.atoms(ids)
    found = set()
    for flags in product([False, True], repeat=free.size):
        gone = np.zeros(len(store), np.bool_)
        gone[free] = flags
        found.add(tuple(store.removed(gone, ids).tolist()))
    return found


@given(STEPS)
@settings(max_examples=400, deadline=None)
def test_unified_labels_go_together_and_pinned_ones_stay(steps: list[tuple[str, object, int]]) -> None:
    store, labels, equal, pinned = play(steps)
    for pattern in patterns(store, labels):
        assert all(pattern[a] == pattern[b] for a, b in equal)
        assert not any(pattern[i] for i in pinned)


@given(STEPS)
@settings(max_examples=400, deadline=None)
def test_a_pair_goes_when_a_part_goes(steps: list[tuple[str, object, int]]) -> None:
    store, labels, _, _ = play(steps)
    sets = [set(store.atoms(_array(label)).tolist()) for label in labels]
    for label, atoms in zip(labels, sets, strict=True):
        columns = store.flatten(_array(label))
        assert {int(column[0]) for column in columns} - {FIXED} == atoms
        for atom in atoms:
            gone = np.zeros(len(store), np.bool_)
            gone[atom] = True
            assert store.removed(gone, _array(label))[0]
        root = store.resolve(_array(label))
        assert store.resolve(root) == root
        assert (root[0] == FIXED) == (not atoms)


@given(STEPS)
@settings(max_examples=600, deadline=None)
def test_the_store_is_no_more_cautious_than_plain_unification(steps: list[tuple[str, object, int]]) -> None:
    """One equation at a time it removes exactly the same. (A batch has no order, and occurs checks depend on it.)"""
    steps = [(kind, what[:1] if isinstance(what, list) else what, other) for kind, what, other in steps]
    store, labels, _, _ = play(steps)
    reference = Reference(ATOMS)
    for kind, what, other in steps:
        count = len(reference.labels)
        if kind == "pair":
            assert isinstance(what, int)
            reference.pair(what % count, other % count)
        elif kind == "pin":
            assert isinstance(what, int)
            reference.pin(reference.labels[what % count])
        else:
            assert isinstance(what, list)
            for a, b in what:
                reference.unify(reference.labels[a % count], reference.labels[b % count])
    assert patterns(store, labels) == reference.patterns()


def test_pairs_lean_the_same_way_whichever_way_they_were_made() -> None:
    store = LabelStore()
    a, b, c, d = (store.fresh(3) for _ in range(4))
    left = store.pair(store.pair(store.pair(a, b), c), d)
    right = store.pair(a, store.pair(b, store.pair(c, d)))
    before = store.atoms(np.concatenate([left, right]))
    store.unify(left, right)
    np.testing.assert_array_equal(store.atoms(np.concatenate([left, right])), before)  # nothing was bound or pinned
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(store.atoms(_array(one)), store.atoms(_array(other)))


def test_a_pair_collapses_to_the_part_that_stays_free() -> None:
    store = LabelStore()
    a, b = store.fresh(4), store.fresh(4)
    both = store.pair(a, b)
    store.pin(b[:2])
    np.testing.assert_array_equal(store.resolve(both[:2]), store.resolve(a[:2]))
    store.unify(a[2:], b[2:])
    np.testing.assert_array_equal(store.resolve(both[2:]), store.resolve(a[2:]))


def test_a_pair_of_two_pairs_that_say_the_same_is_one_of_them() -> None:
    store = LabelStore()
    a, b, c = (store.fresh(2) for _ in range(3))
    left = store.pair(store.pair(a, b), c)
    right = store.pair(a, store.pair(b, c))
    twice = store.pair(left, right)
    store.unify(left, twice)
    assert store.atoms(left).size == 6  # nothing was pinned: both hold the same three atoms
    d, e = store.fresh(2), store.fresh(2)
    store.unify(store.pair(d, e), store.pair(store.pair(a, b), store.pair(a, b)))
    np.testing.assert_array_equal(store.resolve(d), store.resolve(a))
    np.testing.assert_array_equal(store.resolve(e), store.resolve(b))


def test_an_atom_inside_its_own_pair_pins_the_rest() -> None:
    store = LabelStore()
    a, b = store.fresh(1), store.fresh(2)
    store.unify(a, store.pair(a, store.pair(b[:1], b[1:])))
    assert store.resolve(a)[0] != FIXED
    np.testing.assert_array_equal(store.resolve(b), [FIXED, FIXED])


def test_a_chain_of_thousands_and_a_batch_with_duplicates() -> None:
    store = LabelStore()
    chain = store.fresh(5000)
    store.unify(chain[:-1], chain[1:])
    assert np.unique(store.resolve(chain)).size == 1
    many = store.fresh(50)
    index = np.random.default_rng(0).integers(0, 50, 4000)
    store.unify(np.tile(many[:1], 4000), many[index])
    assert np.unique(store.resolve(many[np.unique(index)])).size == 1
    store.pin(many)
    assert not store.resolve(many).any()
    assert store.resolve(chain).all()


def test_the_cause_of_a_pin_is_traced_through_what_was_unified() -> None:
    store = LabelStore()
    a, b, c = (store.fresh(2) for _ in range(3))
    store.unify(a, b)
    store.unify(b, c)
    store.current_cause = 7
    store.pin(a[:1])
    store.current_cause = 9
    store.pin(c[1:])
    assert [store.cause(int(label)) for label in c] == [7, 9]
    assert [store.cause(int(label)) for label in b] == [7, 9]
    assert store.cause(int(store.fresh(1)[0])) == -1


def test_fixed_labels_take_no_memory() -> None:
    labels = fixed(1 << 40)
    assert is_fixed(labels)
    assert labels.strides == (0,)
    assert not is_fixed(np.array([0, 3]))
