"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from compressor.errors import UsageError

ModelArgument: TypeAlias = Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file. It is never changed.")]
OutputOption: TypeAlias = Annotated[
    Path, typer.Option("-o", "--output", metavar="OUT", help="Where the result is written.")
]
JsonFlag: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]
SeedOption: TypeAlias = Annotated[int, typer.Option("--seed", min=0, help="Of everything that is drawn at random.")]
DimOption: TypeAlias = Annotated[
    list[str] | None, typer.Option("--dim", metavar="NAME=SIZE", help="Size of a symbolic dimension. Repeatable.")
]


def named_sizes(texts: list[str] | None) -> dict[str, int]:
    """What ``--dim`` says, by name.

    Raises:
        UsageError: a text is not NAME=SIZE.
    """
    return dict(map(_named_size, texts or []))


def _named_size(text: str) -> tuple[str, int]:
    name, equals, size = text.rpartition("=")
    if not (name and equals and size.isascii() and size.isdigit() and int(size) > 0):
        raise UsageError(f"--dim {text!r} is not NAME=SIZE", fix="Give for example --dim sequence=128.")
    return name, int(size)
