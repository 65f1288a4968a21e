"""Channels on every axis of the inputs of every op: what the rules do not pin must really be free."""

from __future__ import annotations

import pytest

from tests.fuzz import cases_options
from tests.fuzz.promises import InvalidGraphError, check_labels
from tests.fuzz.sideways import check_sideways
from tests.passes.op_case import Case
from tests.passes.test_op_contract import CASES, test_pruned_equals_masked

ALL = [*CASES, *cases_options.CASES]


@pytest.mark.parametrize("case", [case for case in ALL if case.kernel], ids=str)
def test_what_is_not_pinned_is_free(case: Case) -> None:
    try:
        check_sideways(case)
    except InvalidGraphError as error:
        pytest.skip(f"ONNX Runtime does not run it: {error}"[:200])


@pytest.mark.parametrize("case", ALL, ids=str)
def test_every_index_has_a_label(case: Case) -> None:
    check_labels(case.analysed())


@pytest.mark.parametrize("case", cases_options.CASES, ids=str)
def test_options_pruned_equal_masked(case: Case) -> None:
    test_pruned_equals_masked(case)
