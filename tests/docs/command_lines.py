"""Lines of shell in pages: which commands they hold, and whether the command line understands them."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer

from compressor.cli_app import PROGRAM, app

_EXIT = re.compile(r"#.*exit code (\d)")
_OPTION = re.compile(r"--[a-z][a-z-]*")


@dataclass(frozen=True)
class Line:
    """One command.

    Attributes:
        words: with the program's name.
        exit_code: what a comment on the line says ("# ... exit code 1"), else 0.
        into: file that stdout goes to ("> FILE"), if any.
    """

    words: list[str]
    exit_code: int
    into: str | None


def command_lines(text: str) -> Iterator[Line]:
    """The commands of a block; lines that end in a backslash go on."""
    for line in text.replace("\\\n", " ").split("\n"):
        words = shlex.split(line, comments=True)
        if not words:
            continue
        into = words[words.index(">") + 1] if ">" in words else None
        ends = _EXIT.search(line)
        yield Line(words[: words.index(">")] if into else words, int(ends[1]) if ends else 0, into)


def understood(words: list[str]) -> None:
    """Parse a command of ours without carrying it out.

    Raises:
        typer.TyperException: of an unknown command or option, a missing argument, a value of the wrong type.
    """
    command: Any = typer.main.get_command(app)
    context, name, rest = None, PROGRAM, words[1:]
    while hasattr(command, "commands"):
        context = command.make_context(name, rest, parent=context)
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
    with contextlib.suppress(typer.Exit):  # of --version and the like
        command.make_context(name, rest, parent=context)


def unknown_options(span: str) -> list[str]:
    """What a piece of text such as `compressor bench A B --mode paced` names that is not there."""
    command: Any = typer.main.get_command(app)
    words = span.split()[1:]
    while words and hasattr(command, "commands"):
        if not re.fullmatch(r"[a-z]+", words[0]):
            break
        if words[0] not in command.commands:
            return [words[0]]
        command, words = command.commands[words[0]], words[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return [option for option in _OPTION.findall(span) if option not in {*known, "--help"}]
