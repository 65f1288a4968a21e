"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

ModelArgument: TypeAlias = Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX file. It is never changed.")]
OutputOption: TypeAlias = Annotated[
    Path, typer.Option("-o", "--output", metavar="OUT", help="Where the result is written.")
]
JsonFlag: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]
SeedOption: TypeAlias = Annotated[int, typer.Option("--seed", min=0, help="Of everything that is drawn at random.")]
