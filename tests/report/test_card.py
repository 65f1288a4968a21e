"""The model card: Markdown in which names are text."""

from __future__ import annotations

import re

import pytest

from compressor.report.report import report_of
from compressor.report.results import Results
from tests.report.made_up import EVERY, evil, run, same


def card_of(kind: str, *, hostile: bool) -> str:
    """The card of one result."""
    results = Results()
    results.add(EVERY[kind](evil if hostile else same), "made up")
    return report_of(results).markdown()


def without_code(text: str) -> str:
    """Code is shown as it is, whatever it holds."""
    return re.sub(r"^(`{3,})\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("kind", EVERY)
def test_hostile_names_are_text(kind: str) -> None:
    hostile, harmless = card_of(kind, hostile=True), card_of(kind, hostile=False)
    assert not [character for character in hostile if not character.isprintable() and character != "\n"]
    prose = without_code(hostile)
    assert not re.search(r"(?<!\\)<(?!br)", prose)
    assert not re.search(r"(?<!\\)`", prose)
    for one, other in zip(prose.split("\n"), without_code(harmless).split("\n"), strict=True):
        assert len(re.findall(r"(?<!\\)\|", one)) == len(re.findall(r"(?<!\\)\|", other))


def test_no_name_ends_the_code_that_it_stands_in() -> None:
    results = Results()
    results.add({**run(), "recipe": {"model": "x\n```\n# heading\n````"}}, "made up")
    text = report_of(results).markdown()
    fences = re.findall(r"^`{3,}$", text, re.MULTILINE)
    assert max(map(len, fences)) == 5
    assert "\n# heading" not in without_code(text)


def test_it_says_what_a_model_card_says() -> None:
    text = card_of("run", hostile=False)
    assert text.startswith("---\nlibrary_name: onnx\n")
    for heading in ("# net.onnx", "## Result", "## Gate", "## How it was made, and the proof", "## Environment",
                    "## How to reproduce it"):  # fmt: skip
        assert f"\n{heading}\n" in text
    assert "## Log" not in text
    assert "| latency, median, by the gate | 1 ms | 1 ms | 0.600 | 0.590 to 0.620 | faster |" in text
