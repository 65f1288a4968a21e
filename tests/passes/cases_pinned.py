"""Cases: ops pinned by design that models contain. What they read stays whole, with the reason of the table."""

from __future__ import annotations

import numpy as np

from compressor.passes.ops.pinned import why_pinned
from tests.passes.op_case import Case


def _why(op: str) -> str:
    return str(why_pinned(op))


def _reads(op: str, line: str, *, opset: int = 18, **more: np.ndarray) -> Case:
    """``line`` turns h [N, 8] into o, of whatever type and shape."""
    return Case(op, f"h = MatMul(x, w)\n{line}\ny = ReduceSum(x)", {"w": (6, 8), **more}, opset=opset,
                pinned={"w:1": _why(op)})  # fmt: skip


def _microsoft(op: str, **attributes: int) -> Case:
    given = ", ".join(f"{name}={value}" for name, value in attributes.items())
    return Case(f"com.microsoft::{op}", f"h = MatMul(x, w)\no = com.microsoft.{op}<{given}>(h)\ny = ReduceSum(x)",
                {"w": (6, 8)}, domains=("com.microsoft",), pinned={"w:1": _why(f"com.microsoft::{op}")})  # fmt: skip


CASES = [
    _reads("Unique", "o = Unique<axis=1>(h)"),
    _reads("Multinomial", "o = Multinomial<sample_size=2>(h)"),
    _reads("SequenceConstruct", "o = SequenceConstruct(h, h)"),
    _reads("SplitToSequence", "o = SplitToSequence<axis=1>(h)"),
    _reads("Optional", "o = Optional(h)"),
    _reads("STFT", "u = Unsqueeze(h, a)\no = STFT(u, s, , f)", a=np.array([-1]), s=np.array(2), f=np.array(4)),
    _reads(
        "NegativeLogLikelihoodLoss",
        "r = ReduceSum<keepdims=0>(x, a)\nk = Cast<to=7>(r)\no = NegativeLogLikelihoodLoss(h, k)",
        a=np.array([1]),
    ),
    _microsoft("MatMulNBits", K=8, N=4, bits=4, block_size=16),
    _microsoft("QAttention", num_heads=2),
    _microsoft("MoE", k=1),
    _microsoft("EPContext", main_context=1),
]
