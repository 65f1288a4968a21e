"""The proof proves: every rule and every rewrite rule is broken in turn, and something must notice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import pytest

from compressor.errors import CompressorError, VerificationError
from compressor.passes.analysis import Analysis
from compressor.passes.op_rules import OP_RULES, RuleContext
from compressor.passes.rewrite import remove_atoms
from compressor.passes.rewrite_rules import REWRITES, RewriteContext
from compressor.verification import verify_removal
from tests.passes.graphs import analysed, prove, removals
from tests.passes.op_case import Case
from tests.passes.test_op_contract import CASES

# What ONNX Runtime and NumPy say when shapes no longer fit.
NOTICED = (CompressorError, AssertionError, ValueError, IndexError, KeyError)


def notices(case: Case) -> bool:
    """Whether analysing, pruning and proving the case fails."""
    try:
        analysis = case.analysed()
        for atoms in removals(analysis):
            prove(analysis, atoms)
    except NOTICED:
        return True
    return False


def _cases(op: str) -> list[Case]:
    return [case for case in CASES if case.op == op and case.kernel]


def _changes_something(case: Case, op: str) -> bool:
    """Whether the op's rewrite rule has anything to do in this case."""
    analysis = case.analysed()
    seen = []
    rule = REWRITES.get(op)

    def spying(ctx: RewriteContext) -> None:
        seen.append(ctx)
        rule(ctx)

    with _patched(REWRITES, op, spying):
        for atoms in removals(analysis):
            remove_atoms(analysis, atoms)
    return bool(seen)


class _patched:  # noqa: N801
    """A registry's entry replaced for a while."""

    def __init__(self, registry: Any, name: str, entry: Callable[..., Any]) -> None:
        self.registry, self.name, self.entry = registry, name, entry

    def __enter__(self) -> None:
        self.registry.names()
        self.before = self.registry._entries[self.name]
        self.registry._entries[self.name] = self.entry

    def __exit__(self, *_: object) -> None:
        self.registry._entries[self.name] = self.before


# The runtime has no kernel for them here: the contract compares labels and shapes only (test_op_contract.py).
WITHOUT_KERNEL = {"com.microsoft::GroupNorm", "com.microsoft::SkipGroupNorm"}


def test_the_rewrite_rules_that_nothing_runs_are_known() -> None:
    assert {op for op in REWRITES.names() if not _cases(op)} == WITHOUT_KERNEL


@pytest.mark.parametrize("op", sorted(set(REWRITES.names()) - WITHOUT_KERNEL))
def test_a_rewrite_rule_that_does_nothing_is_noticed(op: str) -> None:
    cases = [case for case in _cases(op) if _changes_something(case, op)]
    assert cases, f"no case makes the rewrite rule of {op} do anything"
    with _patched(REWRITES, op, lambda ctx: None):
        assert any(notices(case) for case in cases)


class _Deaf(RuleContext):
    """Forgets what the rule says must be equal."""

    forgotten = 0

    def unify(self, a: Any, b: Any) -> None:
        _Deaf.forgotten += a is not b


def _forgets_something(case: Case) -> bool:
    _Deaf.forgotten = 0
    try:
        case.analysed()
    except NOTICED:
        return True
    return bool(_Deaf.forgotten)


@pytest.mark.parametrize("op", OP_RULES.names())
def test_a_rule_that_forgets_to_unify_is_noticed(op: str) -> None:
    rule = OP_RULES.get(op)

    def deaf(ctx: RuleContext) -> None:
        ctx.__class__ = _Deaf
        rule(ctx)

    with _patched(OP_RULES, op, deaf):
        cases = [case for case in _cases(op) if _forgets_something(case)]
        assert not cases or any(notices(case) for case in cases)


@pytest.mark.parametrize("op", ["Concat", "Split", "Slice", "Gather", "Tile", "Reshape", "Expand"])
def test_labels_in_the_wrong_order_are_noticed(op: str) -> None:
    rule = OP_RULES.get(op)

    def permuting(ctx: RuleContext) -> None:
        rule(ctx)
        name = ctx.node.outputs[0].name
        ctx.state.tensors[name] = [np.roll(labels, 1) for labels in ctx.state.tensors[name]]

    with _patched(OP_RULES, op, permuting):
        assert any(notices(case) for case in _cases(op))


BODY = "h = MatMul(x, w)\ni = Relu(h)\nj = MatMul(i, u)\nk = Relu(j)\ny = MatMul(k, v)"


def _cut() -> tuple[Analysis, Any, gs.Graph]:
    analysis = analysed(BODY, {"w": (6, 8), "u": (8, 9), "v": (9, 5)})
    atoms = np.sort(np.concatenate([space.atoms[1:4] for space in analysis.spaces]))
    return analysis, atoms, remove_atoms(analysis, atoms)


@pytest.mark.parametrize(
    ("weight", "axis", "first"), [("w", 1, "h"), ("w", 0, "h"), ("u", 0, "j"), ("u", 1, "j"), ("v", 0, "y")]
)
def test_wrong_slices_are_named_by_the_first_tensor_that_differs(weight: str, axis: int, first: str) -> None:
    analysis, atoms, pruned = _cut()
    verify_removal(analysis, atoms, pruned)
    tensor = pruned.tensors()[weight]
    tensor.values = np.roll(tensor.values, 1, axis)
    with pytest.raises(VerificationError, match=f"first tensor that differs is '{first}'") as caught:
        verify_removal(analysis, atoms, pruned)
    assert caught.value.where == "output 'y'"


def test_a_cut_that_was_never_made_is_noticed() -> None:
    analysis, atoms, pruned = _cut()
    with pytest.raises(VerificationError):
        verify_removal(analysis, atoms, analysis.graph)
    with pytest.raises(VerificationError):
        verify_removal(analysis, atoms[:0], pruned)


def test_a_mask_that_silences_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compressor.passes.masking._Masker.silence", lambda self, touch: None)
    analysis, atoms, pruned = _cut()
    with pytest.raises(VerificationError):
        verify_removal(analysis, atoms, pruned)
