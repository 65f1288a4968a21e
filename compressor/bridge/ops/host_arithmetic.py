"""Arithmetic on sizes as Python numbers: what shape subgraphs become between Shape and Reshape.

Numbers and flat lists of numbers, broadcast against each other. Fractions here are double precision where the
file says float32; what float32 would have rounded to a whole number counts as whole.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from compressor.bridge.lowering import HOST_LOWERINGS, LowerContext
from compressor.bridge.ops.host_values import elements_of, is_number, list_of, number_call

_FLOAT32_ROUNDING = 1.2e-7


def divide(a: Any, b: Any) -> Any:
    """Quotients; those of whole numbers are cut off toward zero, as in C."""
    if isinstance(a, float) or isinstance(b, float):
        return a / b
    return a // b if (a >= 0) == (b > 0) else -(-a // b)


def whole(x: Any, rounding: Callable[[Any], int]) -> Any:
    """``x`` rounded down or up, unless it is a whole number but for float32's rounding."""
    nearest = round(x)
    return (nearest if abs(x - nearest) <= _FLOAT32_ROUNDING * abs(x) else rounding(x)) * 1.0


def floor(x: Any) -> Any:
    """The next whole number below."""
    return whole(x, math.floor)


def ceil(x: Any) -> Any:
    """The next whole number above."""
    return whole(x, math.ceil)


def reciprocal(x: Any) -> Any:
    """1 / x."""
    return 1.0 / x


def both(a: Any, b: Any) -> Any:
    """Logical and."""
    return a and b


def either(a: Any, b: Any) -> Any:
    """Logical or."""
    return a or b


def choose(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition holds, else ``b``."""
    return a if condition else b


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Add": operator.add,
    "And": both,
    "Ceil": ceil,
    "Div": divide,
    "Equal": operator.eq,
    "Floor": floor,
    "Greater": operator.gt,
    "GreaterOrEqual": operator.ge,
    "Less": operator.lt,
    "LessOrEqual": operator.le,
    "Max": max,
    "Min": min,
    "Mul": operator.mul,
    "Neg": operator.neg,
    "Not": operator.not_,
    "Or": either,
    "Reciprocal": reciprocal,
    "Sqrt": math.sqrt,
    "Sub": operator.sub,
    "Where": choose,
}


def elementwise(op: str, *values: Any) -> Any:
    """An op on numbers, or on lists element by element."""
    function = _FUNCTIONS[op]
    length = max(len(v) if isinstance(v, (list, tuple)) else -1 for v in values)
    if any(isinstance(v, (list, tuple)) and len(v) == 0 for v in values):
        return []
    if length < 0:
        return function(*values)
    return [function(*(element(v, i) for v in values)) for i in range(length)]


def element(value: Any, i: int) -> Any:
    """The number that broadcasting puts at place ``i``."""
    if not isinstance(value, (list, tuple)):
        return value
    return value[i] if len(value) > 1 else value[0]


def remainder(a: Any, b: Any, as_in_c: bool) -> Any:
    """Remainders with the sign of the divisor, or of the dividend as in C."""
    if isinstance(a, (list, tuple)) or isinstance(b, (list, tuple)):
        length = max(len(v) for v in (a, b) if isinstance(v, (list, tuple)))
        return [remainder(element(a, i), element(b, i), as_in_c) for i in range(length)]
    if as_in_c and (isinstance(a, float) or isinstance(b, float)):
        return math.fmod(a, b)
    return a - b * divide(a, b) if as_in_c else a % b


def total(values: Any, product: bool, keep: bool) -> Any:
    """The sum or product of a list."""
    values = values if isinstance(values, (list, tuple)) else [values]
    result = math.prod(values) if product else sum(values)
    return [result] if keep else result


def _register(op: str) -> None:
    @HOST_LOWERINGS.register(op)
    def lower(ctx: LowerContext) -> Any:
        values = [ctx.value(slot) for slot in range(ctx.count())]
        elements = [found for value in values if (found := elements_of(value))]
        if len(elements) < len(values):
            return ctx.host_call(elementwise, op, *(ctx.host(slot) for slot in range(ctx.count())))
        length = max(map(len, elements))
        numbers = [_one_number(ctx, op, [element(part, i) for part in elements]) for i in range(length)]
        return numbers[0] if all(map(is_number, values)) else ctx.host_call(list_of, *numbers)


def _one_number(ctx: LowerContext, op: str, operands: list[Any]) -> Any:
    """An op on numbers; sizes are never negative, which decides the comparisons that Expand comes with."""
    has_size = any(isinstance(x, fx.Node) and x.target is torch.Tensor.size for x in operands)
    if op == "Equal" and has_size and any(not isinstance(x, fx.Node) and x < 0 for x in operands):
        return False
    if op == "Where" and not isinstance(operands[0], fx.Node):
        return operands[1 if operands[0] else 2]
    return number_call(ctx, _FUNCTIONS[op], *operands)


for _op in _FUNCTIONS:
    _register(_op)


@HOST_LOWERINGS.register("Mod")
def _mod(ctx: LowerContext) -> Any:
    return ctx.host_call(remainder, ctx.host(0), ctx.host(1), bool(ctx.attr("fmod", 0)))


def _reduce(ctx: LowerContext, product: bool) -> Any:
    nothing_given = not ctx.attr("axes") and (not ctx.has(1) or ctx.constant(1) == [])
    if nothing_given and ctx.attr("noop_with_empty_axes", 0):
        return ctx.value(0)
    return ctx.host_call(total, ctx.host(0), product, bool(ctx.attr("keepdims", 1)))


@HOST_LOWERINGS.register("ReduceProd")
def _reduce_prod(ctx: LowerContext) -> Any:
    return _reduce(ctx, product=True)


@HOST_LOWERINGS.register("ReduceSum")
def _reduce_sum(ctx: LowerContext) -> Any:
    return _reduce(ctx, product=False)
