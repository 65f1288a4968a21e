"""Blocks of code in Markdown pages, with the marks that say what a test makes of each.

A mark is an HTML comment on the line before a block, which readers of the page do not see:

    <!-- not run: REASON -->      it needs a network, a GPU, minutes; its commands are still parsed
    <!-- sample output -->        what somebody's machine printed once
    <!-- output -->               what the block before prints; "..." stands for anything
    <!-- file: NAME -->           the content of a file that later blocks use
    <!-- policy -->, <!-- recipe -->, <!-- study -->, <!-- steps -->     of a YAML block: whose form it has

Without a mark Python and shell blocks run, in order, and any other block is an error. Indented blocks are shell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MARK = re.compile(r"<!-- (.*) -->")
_FENCE = re.compile(r"(`{3,})(.*)")
_ITEM = re.compile(r"\s*([-*]|\d+\.) ")
SHELL = "sh"


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes:
        line: number of its first line of code.
        language: the first word after the fence; "sh" where there is no fence.
        mark: what the comment before it says; "" without one.
    """

    line: int
    language: str
    text: str
    mark: str

    @property
    def not_run(self) -> str:
        """Why it is not run; "" where it is."""
        return self.mark.removeprefix("not run: ") if self.mark.startswith("not run: ") else ""


def blocks(page: str) -> Iterator[Block]:
    """Every block of a page, in order."""
    lines = page.split("\n")
    number, before = 0, ""
    while number < len(lines):
        line = lines[number]
        fence = _FENCE.fullmatch(line)
        if fence:
            end = lines.index(fence[1], number + 1)
            yield _block(number + 2, (fence[2].split() or [""])[0], lines[number + 1 : end], before)
            number, before = end + 1, ""
        elif line.startswith("    ") and _begins(lines, number):
            end = _end(lines, number)
            yield _block(number + 1, SHELL, [text[4:] for text in lines[number:end]], before)
            number, before = end, ""
        else:
            before = line if line.strip() else before
            number += 1


def spans(page: str) -> list[str]:
    """Every piece of code inside a line of text."""
    text = re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text)]


def _block(line: int, language: str, code: list[str], before: str) -> Block:
    mark = _MARK.fullmatch(before.strip())
    return Block(line, language, "\n".join(code).rstrip("\n") + "\n", mark[1] if mark else "")


def _begins(lines: list[str], number: int) -> bool:
    """An indented block follows an empty line, and no item of a list that it would belong to."""
    if number and lines[number - 1].strip():
        return False
    above = next((line for line in reversed(lines[:number]) if line.strip() and not line.startswith(" ")), "")
    return not _ITEM.match(above)


def _end(lines: list[str], number: int) -> int:
    while number < len(lines) and (lines[number].startswith("    ") or not lines[number].strip()):
        number += 1
    return number
