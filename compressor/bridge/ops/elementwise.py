"""Arithmetic, comparisons, activations and choices, element by element, with NumPy broadcasting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx

from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.ops.element_types import element_type, is_float
from compressor.bridge.ops.unsigned import bit_shift, lower_unsigned, takes_unsigned

_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "Abs": torch.abs,
    "Acos": torch.acos,
    "Acosh": torch.acosh,
    "Asin": torch.asin,
    "Asinh": torch.asinh,
    "Atan": torch.atan,
    "Atanh": torch.atanh,
    "BitwiseNot": torch.bitwise_not,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "HardSwish": F.hardswish,
    "IsNaN": torch.isnan,
    "Log": torch.log,
    "Mish": F.mish,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Relu": torch.relu,
    "Round": torch.round,  # both round halves to even
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "Sqrt": torch.sqrt,
    "Tan": torch.tan,
    "Tanh": torch.tanh,
}


def divide(a: Tensor, b: Tensor | float) -> Tensor:
    """Quotients; those of whole numbers are cut off toward zero, as in C."""
    return torch.div(a, b, rounding_mode=None if a.is_floating_point() else "trunc")


_BINARY: dict[str, Callable[..., Any]] = {
    "Add": torch.add,
    "BitwiseAnd": torch.bitwise_and,
    "BitwiseOr": torch.bitwise_or,
    "BitwiseXor": torch.bitwise_xor,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Or": torch.logical_or,
    "Sub": torch.sub,
    "Xor": torch.logical_xor,
}


_COMMUTATIVE = frozenset({"Add", "Equal", "Mul"})
_LOGICAL = frozenset({"And", "Or", "Xor"})  # PyTorch's take tensors only


def _register_tables() -> None:
    def unary(function: Callable[[Tensor], Tensor]) -> Callable[[LowerContext], Any]:
        return lambda ctx: _unsigned(ctx) if _is_unsigned(ctx) else ctx.call(function, ctx.tensor(0))

    def binary(function: Callable[..., Any]) -> Callable[[LowerContext], Any]:
        return lambda ctx: _unsigned(ctx) if _is_unsigned(ctx) else ctx.call(function, *_operands(ctx))

    for name, function in _UNARY.items():
        LOWERINGS.register(name)(unary(function))
    for name, function in _BINARY.items():
        LOWERINGS.register(name)(binary(function))


def _is_unsigned(ctx: LowerContext) -> bool:
    return takes_unsigned(ctx, ctx.node.op)


def _unsigned(ctx: LowerContext) -> Any:
    return lower_unsigned(ctx, ctx.node.op)


def _operands(ctx: LowerContext) -> list[Any]:
    """Both operands; a known single number as a Python number, if it is the second: torch wants a tensor first."""
    if ctx.node.op in _LOGICAL:
        return ctx.tensors()
    if ctx.node.op in _COMMUTATIVE and not isinstance(ctx.operand(0), (Tensor, fx.Node)):
        return [ctx.tensor(1), ctx.operand(0)]
    return [ctx.tensor(0), ctx.operand(1)]


@LOWERINGS.register("And")
def _and(ctx: LowerContext) -> Any:
    """Masks begin as a single "true", to which exporters add one condition after the other."""
    for slot in (0, 1):
        if ctx.operand(slot) is True:
            return ctx.tensor(1 - slot)
    return ctx.call(torch.logical_and, *ctx.tensors())


@LOWERINGS.register("Mul")
def _mul(ctx: LowerContext) -> Any:
    """x sigmoid(x) is SiLU, which PyTorch has in one piece and ONNX before opset 24 has not."""
    if _is_unsigned(ctx):
        return _unsigned(ctx)
    left, right = ctx.tensor(0), ctx.tensor(1)
    for x, gate in ((left, right), (right, left)):
        if isinstance(gate, fx.Node) and gate.target is torch.sigmoid and gate.args == (x,):
            return ctx.call(F.silu, x)
    return ctx.call(torch.mul, *_operands(ctx))


@LOWERINGS.register("Reciprocal")
def _reciprocal(ctx: LowerContext) -> Any:
    inside = _under_root(ctx.tensor(0))
    return ctx.call(torch.reciprocal, ctx.tensor(0)) if inside is None else ctx.call(torch.rsqrt, inside)


def _under_root(value: Any) -> Any:
    """x of a value sqrt(x): one over it, of which RMS norms are made, is one piece in PyTorch."""
    return value.args[0] if isinstance(value, fx.Node) and value.target is torch.sqrt else None


def is_inf(x: Tensor, positive: bool, negative: bool) -> Tensor:
    """Infinities of the signs asked for."""
    if positive and negative:
        return torch.isinf(x)
    return x == float("inf" if positive else "-inf") if positive or negative else torch.zeros_like(x, dtype=torch.bool)


@LOWERINGS.register("Div")
def _div(ctx: LowerContext) -> Any:
    if _is_unsigned(ctx):
        return _unsigned(ctx)
    above = ctx.operand(0)
    if isinstance(above, float) and above == 1 and (inside := _under_root(ctx.tensor(1))) is not None:
        return ctx.call(torch.rsqrt, inside)
    return ctx.call(torch.div if is_float(element_type(ctx, 0)) else divide, *_operands(ctx))


@LOWERINGS.register("IsInf")
def _is_inf(ctx: LowerContext) -> Any:
    return ctx.call(is_inf, ctx.tensor(0), bool(ctx.attr("detect_positive", 1)), bool(ctx.attr("detect_negative", 1)))


@LOWERINGS.register("BitShift")
def _bit_shift(ctx: LowerContext) -> Any:
    return ctx.call(bit_shift, ctx.tensor(0), ctx.tensor(1), ctx.attr("direction") == "LEFT")


_register_tables()
