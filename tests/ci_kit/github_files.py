"""What steps and GitHub's runner tell each other: outputs by file, annotations by lines of the log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_COMMAND = re.compile(r"^::(error|warning|notice)(?: ([^:]*))?::(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Annotation:
    """A mark on the run, as ``::error file=...,title=...::message`` makes one."""

    level: str
    properties: dict[str, str]
    message: str


def marks_in(log: str) -> list[Annotation]:
    """Those in a log."""
    found = []
    for level, properties, message in _COMMAND.findall(log):
        pairs = (pair.partition("=") for pair in properties.split(",") if pair)
        found.append(Annotation(level, {name: _decoded(value) for name, _, value in pairs}, _decoded(message)))
    return found


def _decoded(text: str) -> str:
    for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, char)
    return text


def outputs(path: Path) -> dict[str, str]:
    """What a step wrote to $GITHUB_OUTPUT: ``name=value`` or ``name<<END``, lines, ``END``.

    Raises:
        ValueError: a line is neither; GitHub fails the step then.
    """
    found: dict[str, str] = {}
    lines = iter(path.read_text(encoding="utf-8").splitlines())
    for line in lines:
        name, equals, value = line.partition("=")
        key, arrows, end = line.partition("<<")
        if arrows and (not equals or len(key) < len(name)):
            found[key] = "\n".join(_until(end, lines))
        elif equals and name:
            found[name] = value
        elif line:
            raise ValueError(f"{line!r} is no output")
    return found


def _until(end: str, lines: Iterator[str]) -> list[str]:
    taken: list[str] = []
    for line in lines:
        if line == end:
            return taken
        taken.append(line)
    raise ValueError(f"{end!r} never came")
