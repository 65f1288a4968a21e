"""Channels on every axis of the inputs of every op: what the rules do not pin must really be free."""

from __future__ import annotations

import pytest

from tests.fuzz.promises import InvalidGraphError, check_labels
from tests.fuzz.sideways import check_sideways
from tests.passes.op_case import Case
from tests.passes.test_op_contract import CASES


@pytest.mark.parametrize("case", [case for case in CASES if case.kernel], ids=str)
def test_what_is_not_pinned_is_free(case: Case) -> None:
    try:
        check_sideways(case)
    except InvalidGraphError as error:
        pytest.skip(f"ONNX Runtime does not run it: {error}"[:200])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_index_has_a_label(case: Case) -> None:
    check_labels(case.analysed())
