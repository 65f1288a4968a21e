"""Unification of labels written slowly and plainly: terms, one substitution, one equation at a time."""

from __future__ import annotations

from itertools import product
from typing import TypeAlias

Term: TypeAlias = "int | tuple[Term, Term]"  # 0 is FIXED, other numbers are atoms


class Reference:
    """As ``LabelStore``, for a handful of atoms."""

    def __init__(self, atoms: int) -> None:
        self.bound: dict[int, Term] = {}
        self.labels: list[Term] = list(range(1, atoms + 1))

    def resolve(self, term: Term) -> Term:
        """Atoms replaced by what they are bound to; pair(a, FIXED) is a, pair(a, a) is a, pairs lean right."""
        if isinstance(term, int):
            return self.resolve(self.bound[term]) if term in self.bound else term
        left, right = self.resolve(term[0]), self.resolve(term[1])
        if left == 0 or left == right:
            return right
        if right == 0:
            return left
        if isinstance(left, tuple):
            return self.resolve((left[0], (left[1], right)))
        return (left, right)

    def atoms(self, term: Term) -> set[int]:
        """The atoms that a term consists of."""
        term = self.resolve(term)
        if isinstance(term, tuple):
            return self.atoms(term[0]) | self.atoms(term[1])
        return {term} - {0}

    def pair(self, a: int, b: int) -> None:
        """A new label: the pair of two."""
        self.labels.append((self.labels[a], self.labels[b]))

    def pin(self, term: Term) -> None:
        """All atoms of a term become FIXED."""
        for atom in self.atoms(term):
            self.bound[atom] = 0

    def unify(self, one: Term, other: Term) -> None:
        """First-order unification; an atom inside its own pair pins the rest of that pair."""
        a, b = self.resolve(one), self.resolve(other)
        if a == b:
            return
        if a == 0 or b == 0:
            self.pin(a if b == 0 else b)
        elif isinstance(a, tuple) and isinstance(b, tuple):
            self.unify(a[1], b[1])  # right first, as the store does: what an occurs check pins depends on the order
            self.unify(a[0], b[0])
        else:
            atom, term = (a, b) if isinstance(a, int) else (b, a)
            assert isinstance(atom, int)
            rest = self.atoms(term) - {atom}
            if atom in self.atoms(term):
                for other_atom in rest:
                    self.bound[other_atom] = 0
            else:
                self.bound[atom] = term

    def patterns(self) -> set[tuple[bool, ...]]:
        """Which labels go, for every choice of free atoms that go."""
        sets = [self.atoms(label) for label in self.labels]
        free = sorted(set().union(*sets))
        choices = product([False, True], repeat=len(free))
        gone = [{atom for atom, flag in zip(free, flags, strict=True) if flag} for flags in choices]
        return {tuple(bool(own & out) for own in sets) for out in gone}
