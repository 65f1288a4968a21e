"""Arithmetic of unsigned integers of 16, 32 and 64 bits, for which PyTorch has types but few kernels.

Values go through int64: 16 and 32 bits fit, 64 bits keep their pattern and are read as unsigned where it matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from compressor.bridge.lowering import LowerContext
from compressor.bridge.ops.element_types import element_type

WIDE_UNSIGNED = frozenset({torch.uint16, torch.uint32, torch.uint64})
_SIGN = torch.iinfo(torch.int64).min


def widen(x: Tensor) -> Tensor:
    """The bits as int64."""
    return x.view(torch.int64) if x.dtype == torch.uint64 else x.to(torch.int64)


def narrow(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The lowest bits as an unsigned type."""
    return x.view(dtype) if dtype == torch.uint64 else x.to(dtype)


def less(a: Tensor, b: Tensor) -> Tensor:
    """Comparison of 64-bit patterns as unsigned numbers."""
    return (a ^ _SIGN) < (b ^ _SIGN)


def divide(a: Tensor, b: Tensor) -> Tensor:
    """Quotients of 64-bit patterns as unsigned numbers (Hacker's Delight, 9-3)."""
    large = b < 0  # 2**63 or more
    divisor = torch.where(large, 1, b)
    quotient = torch.div((a >> 1) & ~_SIGN, divisor, rounding_mode="trunc") << 1
    quotient = quotient + (~less(a - quotient * divisor, divisor)).to(torch.int64)
    return torch.where(large, (~less(a, b)).to(torch.int64), quotient)


def bit_shift(x: Tensor, places: Tensor, left: bool) -> Tensor:
    """Bits moved by up to 63 places; farther, or by a negative distance, leaves zeros, or the sign of signed ones."""
    signed = x.dtype.is_signed
    bits, places = widen(x), widen(places)
    outside = (places < 0) | (places > 63)
    if left:
        moved = torch.where(outside, 0, bits << (places & 63))
    elif signed:
        moved = bits >> torch.where(outside, 63, places)
    else:
        first = torch.where(places > 0, (bits >> 1) & ~_SIGN, bits)
        moved = torch.where(outside, 0, first >> torch.where(outside | (places == 0), 0, places - 1))
    return narrow(moved, x.dtype)


_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "Abs": lambda a: a,
    "Add": torch.add,
    "BitwiseNot": torch.bitwise_not,
    "Div": divide,
    "Greater": lambda a, b: less(b, a),
    "GreaterOrEqual": lambda a, b: ~less(a, b),
    "Less": less,
    "LessOrEqual": lambda a, b: ~less(b, a),
    "Max": lambda a, b: torch.where(less(a, b), b, a),
    "Min": lambda a, b: torch.where(less(a, b), a, b),
    "Mod": lambda a, b: a - divide(a, b) * b,
    "Mul": torch.mul,
    "Neg": torch.neg,
    "Sign": lambda a: (a != 0).to(torch.int64),
    "Sub": torch.sub,
    "Sum": torch.add,
}


def unsigned(op: str, *values: Tensor) -> Tensor:
    """An op on unsigned integers."""
    result = _FUNCTIONS[op](*(widen(value) for value in values))
    return result if result.dtype == torch.bool else narrow(result, values[0].dtype)


def unsigned_extreme(x: Tensor, axes: Sequence[int], keep: bool, largest: bool) -> Tensor:
    """Largest or smallest elements."""
    function: Callable[..., Tensor] = torch.amax if largest else torch.amin
    return narrow(function(widen(x) ^ _SIGN, tuple(axes), keep) ^ _SIGN, x.dtype)


def takes_unsigned(ctx: LowerContext, op: str) -> bool:
    """Whether input 0 is of a type that needs ``unsigned`` for this op."""
    return op in _FUNCTIONS and element_type(ctx, 0) in WIDE_UNSIGNED


def lower_unsigned(ctx: LowerContext, op: str, *values: Any) -> Any:
    """A call of ``unsigned``."""
    return ctx.call(unsigned, op, *(values or ctx.tensors()))
