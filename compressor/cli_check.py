"""``compressor check``: are these model files sound? For hooks before a commit, and for the first step of CI."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compressor.cli_options import JsonFlag
from compressor.cli_output import emit, emit_json
from compressor.errors import UsageError

if TYPE_CHECKING:
    from compressor.file_check import FileCheck

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}


def check(
    models: Annotated[list[Path], typer.Argument(metavar="MODEL...", help="ONNX files.")],
    max_size: Annotated[
        str | None, typer.Option("--max-size", metavar="SIZE", help="The most that a model may have: 50MB, 2GiB.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Check that files are sound ONNX models: exit code 0 if all are, 2 if one is not, 1 if one is too large."""
    from compressor.file_check import check_file

    max_bytes = None if max_size is None else bytes_of(max_size)
    found = [check_file(path, max_bytes=max_bytes) for path in models]
    if as_json:
        emit_json({"kind": "check", "version": 1, "files": [one.to_json() for one in found]})
    else:
        from compressor.cli_tables import line

        emit(*(line(_described(one)) for one in found))
    raise typer.Exit(max(one.exit_code for one in found))


def bytes_of(text: str) -> int:
    """Bytes from "50MB" (decimal), "2GiB" (binary) or "4096".

    Raises:
        UsageError: it is nothing of the kind.
    """
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?) ?([A-Za-z]{0,3})", text, re.ASCII)
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise UsageError(f"--max-size {text!r} is no size", fix="Give for example 50MB, 2GiB or 4096.")
    return int(float(match[1]) * unit)


def _described(one: FileCheck) -> str:
    from compressor.units import count, size

    if one.problem is not None:
        return f"{one.path}: {one.problem}"
    opset = f"opset {one.opset}, " if one.opset is not None else ""
    whole = ", ".join(f"{each.count} {each.op}" for each in one.whole)
    kept = f"; left whole by compress: {whole}" if whole else ""
    nodes, params = sum((one.ops or {}).values()), count(one.params or 0)
    return f"{one.path}: sound; {opset}{nodes} nodes, {params} parameters, {size(one.size_bytes or 0)}{kept}"
