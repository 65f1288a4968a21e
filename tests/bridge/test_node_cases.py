"""Every one of ONNX's own cases whose ops are lowered passes: types, shapes and numbers."""

from __future__ import annotations

import pytest

from tests.bridge import node_cases


@pytest.mark.slow
def test_all_cases_of_lowered_ops_pass() -> None:
    outcomes = node_cases.sweep(node_cases.cases())
    assert {name: why for outcome in outcomes.values() for name, why in outcome.failed.items()} == {}
    assert sum(outcome.passed for outcome in outcomes.values()) > 1600  # 1705 of onnx 1.23
