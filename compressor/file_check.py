"""Are these ONNX files sound? Read and checked as every command does, without analysis and without a runtime: quick."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compressor.errors import EXIT_FAILED, ModelFileError
from compressor.gate.facts import count_ops, count_params, opsets_of
from compressor.loaded import total_bytes
from compressor.model_io import data_files, outline, read
from compressor.passes.op_rules import OP_RULES
from compressor.passes.ops.pinned import why_pinned
from compressor.targets import PathLike
from compressor.units import size as shown

_GONE = {"Constant"}  # before the analysis begins


@dataclass(frozen=True)
class WholeOp:
    """An operator that the channel analysis leaves whole.

    Attributes:
        op: as "NonZero", or "my.domain::Op".
        count: how often it occurs, bodies and functions included.
        reason: why.
    """

    op: str
    count: int
    reason: str


@dataclass(frozen=True)
class FileCheck:
    """What is known about one file.

    Attributes:
        path: as it was given.
        problem: one sentence; None where the file is sound, and no larger than allowed.
        exit_code: 0 sound; 1 larger than allowed; 2 no sound model.
        size_bytes: of all files of the model; this and what follows is None where it is no sound model.
        params: elements of its floating-point initializers.
        opset: version of ONNX's own operators, None where it uses none.
        ops: how often each operator occurs.
        whole: the ones whose channels all stay.
    """

    path: str
    problem: str | None = None
    exit_code: int = 0
    size_bytes: int | None = None
    params: int | None = None
    opset: int | None = None
    ops: dict[str, int] | None = None
    whole: tuple[WholeOp, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return {
            "path": self.path, "sound": self.exit_code <= EXIT_FAILED, "problem": self.problem,
            "size_bytes": self.size_bytes, "params": self.params, "opset": self.opset, "ops": self.ops,
            "whole": [{"op": one.op, "count": one.count, "reason": one.reason} for one in self.whole],
        }  # fmt: skip


def check_file(path: PathLike, *, max_bytes: int | None = None) -> FileCheck:
    """Read a file as far as one can without running it.

    Its structure passes onnx.checker, every weight is there in full, and weights beside it lie in its own folder.

    Args:
        path: the file.
        max_bytes: the most that it may have together with the files of its weights.
    """
    path = Path(path)
    try:
        graph = read(path)
        size_bytes = total_bytes((path, *data_files(graph)))
        model = outline(graph)
    except ModelFileError as error:
        return FileCheck(str(path), error.one_line().removeprefix(f"{path}: "), error.exit_code)
    large = max_bytes is not None and size_bytes > max_bytes
    ops = count_ops(model)
    return FileCheck(
        path=str(path),
        problem=f"{shown(size_bytes)} is more than the {shown(max_bytes or 0)} allowed" if large else None,
        exit_code=EXIT_FAILED if large else 0,
        size_bytes=size_bytes,
        params=count_params(model),
        opset=opsets_of(model).get(""),
        ops=ops,
        whole=tuple(_left_whole(ops)),
    )


def _left_whole(ops: dict[str, int]) -> Iterable[WholeOp]:
    for op, count in ops.items():
        reason = "it has no rule" if OP_RULES.find(op) is None else why_pinned(op)
        if op not in _GONE and reason is not None:
            yield WholeOp(op, count, reason)
