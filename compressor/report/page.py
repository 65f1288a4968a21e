"""The HTML page of a report. It loads nothing, runs nothing, and names in it are text."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined

import compressor
from compressor.plain_text import plain
from compressor.report.blocks import Section, shown

_LONGEST_CODE = 100_000  # characters


def page(title: str, sections: Sequence[Section]) -> str:
    """The page.

    Whatever a template writes goes through ``shown`` first, which spells out control characters and shortens what is
    too long, and is escaped then. The page's policy allows its own style, by its digest, and nothing else.
    """
    environment = Environment(
        loader=PackageLoader("compressor"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_shown,
    )  # fmt: skip
    environment.filters["lines"] = _lines
    environment.tests["block"] = lambda block, kind: type(block).__name__ == kind
    style = (resources.files("compressor") / "templates" / "results.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("results.html").render(
        title=title,
        sections=sections,
        style=style,
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        version=compressor.__version__,
    )


def _shown(value: object) -> object:
    """What is written for a value of a template; text that was marked as safe is the template's own."""
    if isinstance(value, _Whole):
        return plain(value)
    return shown(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


class _Whole(str):
    """Text that is not to be shortened: a command that lacks its middle is none."""

    __slots__ = ()


def _lines(text: str) -> list[_Whole]:
    """Lines of code."""
    lines = text[:_LONGEST_CODE].split("\n") + (["…"] if len(text) > _LONGEST_CODE else [])
    return [_Whole(line) for line in lines]
