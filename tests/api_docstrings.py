"""Docstrings as Markdown: sections become lists, indented code stays code, and nothing in them is taken for markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import dedent

SECTIONS = ("Args", "Attributes", "Returns", "Raises")
_ENTRY = re.compile(r"((?:\*{0,2}\w[\w., ]*?)): (.*)", re.DOTALL)


def markdown(doc: str) -> Iterator[str]:
    """Lines of a page."""
    title, lines = "", list[str]()
    for line in [*doc.split("\n"), "Raises:"]:  # the last ends what is before it
        if line.rstrip(":") in SECTIONS and line.endswith(":"):
            yield from _section(title, lines)
            title, lines = line[:-1], []
        elif title and line and not line.startswith(" "):
            yield from _section(title, lines)
            title, lines = "", [line]
        else:
            lines.append(line)


def entries(doc: str, section: str) -> list[tuple[str, str]]:
    """(names, text) of a section's entries; names is "" where an entry has none."""
    found = re.search(rf"^{section}:\n((?:[ ]+.*\n?|\n)*)", doc, re.MULTILINE)
    if found is None:
        return []
    parts: list[list[str]] = []
    for line in dedent(found[1]).strip("\n").split("\n"):
        if parts and (line.startswith(" ") or not line):
            parts[-1].append(line.strip())
        else:
            parts.append([line])
    return [_entry(" ".join(filter(None, part)), section) for part in parts]


def _entry(text: str, section: str) -> tuple[str, str]:
    named = None if section == "Returns" else _ENTRY.fullmatch(text)
    return (named[1], named[2]) if named else ("", text)


def _section(title: str, lines: list[str]) -> Iterator[str]:
    text = "\n".join(lines).strip("\n")
    if not text.strip():
        return
    if not title:
        yield from ("\n".join(_paragraph(part) for part in text.split("\n\n")).split("\n"))
        return
    yield from ("", f"*{title}:*", "")
    for names, words in entries(f"{title}:\n{text}", title):
        yield f"- {f'`{names}`: ' if names else ''}{escaped(words)}"


def _paragraph(text: str) -> str:
    if all(line.startswith("    ") or not line for line in text.split("\n")):
        return f"\n```text\n{dedent(text)}\n```\n"
    return f"{escaped(text)}\n"


def escaped(text: str) -> str:
    """Words with ``code`` as `code`, in which nothing else is markup."""
    parts = re.split(r"``(.+?)``", text, flags=re.DOTALL)
    return "".join(
        f"`{part}`" if number % 2 else re.sub(r"([*<|]|(?<!\w)_|_(?!\w))", r"\\\1", part)
        for number, part in enumerate(parts)
    )
