"""Every registered op rule: pruned equals masked, what may go goes, what must stay is pinned with its reason."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from compressor.errors import ModelFileError
from compressor.passes.cost import CostModel
from compressor.passes.op_rules import OP_RULES
from compressor.passes.ops.pinned import PINNED
from compressor.passes.rewrite import remove_atoms
from tests.passes.graphs import (
    analysed,
    assert_same_shapes,
    float_elements,
    free_indices,
    prove,
    reasons,
    removals,
    use,
)
from tests.passes.op_case import Case

FAMILIES = [import_module(f"tests.passes.{path.stem}") for path in sorted(Path(__file__).parent.glob("cases_*.py"))]
CASES: list[Case] = [case for family in FAMILIES for case in family.CASES]


ELSEWHERE = {
    "If": "test_control_flow.py", "Loop": "test_control_flow.py", "Scan": "test_control_flow.py",
    "SimplifiedLayerNormalization": "test_op_contract.py",
}  # fmt: skip


@pytest.mark.parametrize("op", OP_RULES.names())
def test_op_has_a_case(op: str) -> None:
    if op in ELSEWHERE:
        assert op in (Path(__file__).parent / ELSEWHERE[op]).read_text(encoding="utf-8")
        return
    if op in PINNED:  # test_pinned.py tries each; cases_pinned.py those that models contain
        return
    assert any(case.op == op for case in CASES), f"write a case for {op} in tests/passes/cases_*.py"


def test_the_readers_checker_refuses_simplified_layer_normalization() -> None:
    """ONNX Runtime writes it into optimised files under ai.onnx, where the onnx package does not know it."""
    line = "h = MatMul(x, w)\ny = SimplifiedLayerNormalization(h, g)"
    with pytest.raises(ModelFileError, match="No Op registered"):
        analysed(line, {"w": (6, 8), "g": (8,)})


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pruned_equals_masked(case: Case) -> None:
    analysis = case.analysed()
    for place, count in case.free.items():
        parameter, axis = place.split(":")
        assert free_indices(analysis, parameter, int(axis)) == count, (place, reasons(analysis))
    why = reasons(analysis)
    for place, reason in case.pinned.items():
        parameter, axis = place.split(":")
        assert free_indices(analysis, parameter, int(axis)) == 0
        assert reason in why[place]
    for place, other in case.tied.items():
        one, two = (use(analysis, at.split(":")[0])[int(at.split(":")[1])] for at in (place, other))
        np.testing.assert_array_equal(analysis.state.store.resolve(one), analysis.state.store.resolve(two))
    if not analysis.spaces:
        assert case.pinned
        return
    model = CostModel(analysis)
    for atoms in removals(analysis):
        assert atoms.size
        pruned = prove(analysis, atoms) if case.kernel else remove_atoms(analysis, atoms)
        if not case.kernel:
            assert_same_shapes(analysis, atoms, pruned)
        assert float_elements(pruned) == model.cost(atoms).params < model.cost(atoms[:0]).params


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_case_is_about_its_op(case: Case) -> None:
    nodes = case.analysed().graph.nodes
    assert any(case.op in (node.op, f"{node.domain}::{node.op}") for node in nodes)
    assert case.free or case.pinned
