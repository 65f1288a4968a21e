"""docs/ops.md says what the code does."""

from __future__ import annotations

import onnx
import pytest

from compressor.passes.op_rules import OP_RULES
from tests.op_table import NORMALISED, PAGE, PINNED, RULED, UNKNOWN, counts, known_ops, ops, render, versions


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    if f"Ops of {versions()}." not in page:
        pytest.skip(f"docs/ops.md lists the ops of other versions than {versions()}")
    assert page == render(list(ops()), versions()), "run `make docs`"


def test_every_op_of_every_kind_is_listed() -> None:
    rows = list(ops())
    listed = {row.name if row.domain == "ai.onnx" else f"{row.domain}::{row.name}": row.state for row in rows}
    assert len(listed) == len(rows)
    assert {schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain} <= set(known_ops("ai.onnx"))
    assert {name for name, state in listed.items() if state != UNKNOWN} == {*OP_RULES.names(), *NORMALISED}
    assert (listed["Conv"], listed["NonZero"]) == (RULED, PINNED)
    assert listed["com.microsoft::MatMulNBits"] == PINNED


def test_few_standard_ops_are_unknown() -> None:
    found = counts(list(ops()))
    assert found["ai.onnx", UNKNOWN] <= 1
    assert found["ai.onnx", RULED] > 150
