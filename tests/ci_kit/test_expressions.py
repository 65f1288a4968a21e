"""Expressions mean here what they mean on GitHub."""

from __future__ import annotations

from typing import Any

import pytest

from tests.ci_kit.expressions import ExpressionError, bare, evaluate, interpolated, names_in

CONTEXTS = {"inputs": {"candidate": "Better", "empty": "", "none": None, "two-words": "x"}, "n": 3, "yes": True}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inputs.candidate", "Better"),
        ("inputs.two-words", "x"),
        ("inputs.candidate || 'improved'", "Better"),
        ("inputs.empty || 'improved'", "improved"),
        ("inputs.none || inputs.empty || 'it''s'", "it's"),
        ("inputs.candidate && 'yes'", "yes"),
        ("inputs.empty && 'yes'", ""),
        ("inputs.candidate == 'better'", True),  # without case
        ("inputs.candidate != 'worse'", True),
        ("inputs.none == ''", True),
        ("inputs.empty == 0", True),
        ("n == '3'", True),
        ("n == 'three'", False),
        ("!inputs.empty", True),
        ("!(n == 3) || yes", True),
        ("yes == 1", True),
        ("'a' == 'b' || 'c' == 'c'", True),
        ("always() && n == 3", True),
        ("null", None),
        ("-1.5", -1.5),
    ],
)
def test_values(text: str, value: Any) -> None:
    assert evaluate(text, CONTEXTS, {"always": lambda: True}) == value


def test_in_texts() -> None:
    assert interpolated("a ${{ inputs.candidate }}/${{n}} ${{ inputs.none }}.", CONTEXTS) == "a Better/3 ."
    assert interpolated("${{ yes }} $n {{ n }}", CONTEXTS) == "true $n {{ n }}"
    assert bare("${{ always() }}") == " always() "
    assert bare("always()") == "always()"
    assert names_in("always() && steps.gate.outputs.exit-code != 'not.this'") == {
        "always",
        "steps.gate.outputs.exit-code",
    }


@pytest.mark.parametrize(
    "text", ["", "a b", "inputs.what", "what", "'open", "(n", "n ==", "f()", "inputs.", "n n", "a[0]", "n.x"]
)
def test_what_is_wrong_is_said(text: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(text, CONTEXTS)
