"""The page: complete, self-contained, and deaf to what names contain."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from compressor.report.blocks import LONGEST
from compressor.report.report import report_of
from compressor.report.results import Results
from tests.report.made_up import EVERY, EVIL, evil, run, same
from tests.report.parsing import Parsed

LOADING = ("src", "href", "srcset", "data", "poster", "action", "style", "background")
every_kind = pytest.mark.parametrize("kind", EVERY)


def html_of(kind: str, *, hostile: bool) -> str:
    """The page of one result."""
    results = Results()
    results.add(EVERY[kind](evil if hostile else same), "made up")
    return report_of(results).html()


@every_kind
def test_hostile_names_make_no_tags(kind: str) -> None:
    text = html_of(kind, hostile=True)
    hostile, harmless = Parsed(text), Parsed(html_of(kind, hostile=False))
    # The same page but for names: a list of one tag more would be a name's.
    assert hostile.names == harmless.names
    assert [sorted(found) for tag, found in hostile.tags if tag != "code"] == [
        sorted(found) for tag, found in harmless.tags if tag != "code"
    ]
    assert not any(found for tag, found in hostile.tags if tag == "code")
    assert EVIL not in text
    assert "<img src=x" in "".join(hostile.text)


@every_kind
def test_control_characters_and_long_names_do_not_reach_the_page(kind: str) -> None:
    text = html_of(kind, hostile=True)
    assert not [character for character in text if not character.isprintable() and character != "\n"]
    assert max(map(len, Parsed(text).text)) < 2 * LONGEST + 100


@every_kind
def test_it_loads_and_runs_nothing(kind: str) -> None:
    parsed = Parsed(html_of(kind, hostile=True))
    assert not {"script", "img", "link", "iframe", "object", "form", "base", "a"} & set(parsed.names)
    assert not [attributes for _, attributes in parsed.tags if set(LOADING) & attributes.keys()]
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on")]
    for _, attributes in parsed.tags:
        assert all("url(" not in (value or "") for name, value in attributes.items() if name == "class")


def test_the_policy_allows_the_page_s_own_style_only() -> None:
    text = html_of("comparison", hostile=False)
    (policy,) = [a["content"] for tag, a in Parsed(text).tags if tag == "meta" and "http-equiv" in a]
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_every_cell_names_its_column() -> None:
    """On a phone the heads are gone, and each cell says what it is."""
    cells = [attributes for tag, attributes in Parsed(html_of("run", hostile=False)).tags if tag == "td"]
    assert cells
    assert all("data-name" in attributes for attributes in cells)


def test_a_run_tells_everything() -> None:
    results = Results()
    results.add(run(), "run.json")
    report = report_of(results)
    assert [section.title for section in report.sections] == [
        "Result", "Gate", "Warnings and advice", "Latency", "How it was made, and the proof", "Log", "Environment",
        "How to reproduce it",
    ]  # fmt: skip
    text = "".join(Parsed(report.html()).text)
    proof = "Pruned equals masked original on 3 random inputs"
    recovery = "from 2 to 0.1 of their variance"
    for said in ("0.590 to 0.620", "top1", "inconclusive", "134 MB", "1.5 s", proof, recovery):
        assert said in text, said
    assert "compressor run recipe.yaml --locked" in Parsed(report.html()).code
