"""A case of the contract over op rules: a small graph in which a channel space meets the op."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compressor.passes.analysis import Analysis
from tests.passes.graphs import Weights, analysed


@dataclass(frozen=True)
class Case:
    """One graph for one op.

    Attributes:
        op: the registered name it covers.
        note: what is special, for the test's id.
        free: "parameter:axis" -> how many of its indices may go; over-caution shows here.
        pinned: "parameter:axis" -> a part of the recorded reason; nothing of it may go.
        tied: "parameter:axis" -> another of which the same indices go, where no kernel would notice.
        kernel: False where ONNX Runtime's CPU provider lacks the op, so that only shapes can be checked.
    """

    op: str
    body: str
    weights: Weights
    note: str = ""
    inputs: str = "float[N, 6] x"
    outputs: str = "float y"
    opset: int = 18
    domains: tuple[str, ...] = ()
    free: Mapping[str, int] = field(default_factory=dict)
    pinned: Mapping[str, str] = field(default_factory=dict)
    kernel: bool = True
    tied: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "-".join(filter(None, [self.op, self.note, str(self.opset)]))

    def analysed(self) -> Analysis:
        """The case, read and analysed."""
        return analysed(
            self.body, self.weights, inputs=self.inputs, outputs=self.outputs, opset=self.opset, domains=self.domains
        )


def rows(op: str, line: str, note: str = "", *, opset: int = 18, more: Weights | None = None,
         free: Mapping[str, int] | None = None, pinned: Mapping[str, str] | None = None,
         out: int = 8) -> Case:  # fmt: skip
    """``line`` turns h [N, 8] into o [N, out], between two MatMuls."""
    body = f"h = MatMul(x, w)\n{line}\ny = MatMul(o, v)"
    weights = {"w": (6, 8), "v": (out, 5), **(more or {})}
    default = {"w:1": 8, "v:0": 8} if pinned is None else {}
    return Case(op, body, weights, note, opset=opset, free=default if free is None else free, pinned=pinned or {})


def tokens(op: str, line: str, note: str = "", *, opset: int = 18, more: Weights | None = None,
           free: Mapping[str, int] | None = None, pinned: Mapping[str, str] | None = None,
           out: int = 8) -> Case:  # fmt: skip
    """``line`` turns h [N, S, 8] into o [..., out], between two MatMuls."""
    case = rows(op, line, note, opset=opset, more=more, free=free, pinned=pinned, out=out)
    return Case(op, case.body, case.weights, note, "float[N, S, 6] x", opset=opset, free=case.free, pinned=case.pinned)


def picture(op: str, line: str, note: str = "", *, opset: int = 18, more: Weights | None = None,
            free: Mapping[str, int] | None = None, pinned: Mapping[str, str] | None = None, out: int = 8,
            inputs: str = "float[N, 3, 6, 6] x") -> Case:  # fmt: skip
    """``line`` turns h [N, 8, 6, 6] into o [N, out, ...], between two 1x1 convolutions."""
    body = f"h = Conv(x, w, b)\n{line}\ny = Conv(o, v)"
    weights = {"w": (8, 3, 1, 1), "b": (8,), "v": (5, out, 1, 1), **(more or {})}
    default = {"w:0": 8, "b:0": 8, "v:1": 8} if pinned is None else {}
    return Case(op, body, weights, note, inputs, opset=opset, free=default if free is None else free,
                pinned=pinned or {})  # fmt: skip
