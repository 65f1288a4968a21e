"""Cases: element-wise ops, with and without broadcasting."""

from __future__ import annotations

import numpy as np

from tests.passes.graphs import f32, i64
from tests.passes.op_case import Case, picture, rows, tokens

_FLOAT_UNARY = {
    "Abs": 13, "Asinh": 9, "Atan": 7, "Ceil": 13, "Celu": 12, "Cos": 7, "Cosh": 9, "Elu": 6, "Erf": 13, "Exp": 13,
    "Floor": 13, "Gelu": 20, "HardSigmoid": 6, "HardSwish": 14, "Identity": 14, "LeakyRelu": 16, "Mish": 18, "Neg": 13,
    "Relu": 14, "Round": 11, "Selu": 6, "Shrink": 9, "Sigmoid": 13, "Sign": 13, "Sin": 7, "Sinh": 9, "Softplus": 1,
    "Softsign": 1, "Tan": 7, "Tanh": 13, "ThresholdedRelu": 10,
}  # fmt: skip
_BETWEEN_0_AND_1 = ("Acos", "Asin", "Atanh", "Log", "Reciprocal", "Sqrt")
_FLOAT_PAIR = ("Add", "Div", "Max", "Mean", "Min", "Mul", "PRelu", "Sub", "Sum")
_COMPARISONS = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
_LOGIC = ("And", "Or", "Xor")
_BITS = ("BitwiseAnd", "BitwiseOr", "BitwiseXor")


def _vector(size: int = 8) -> np.ndarray:
    return np.linspace(0.5, 2, size, dtype=np.float32)


def _unary() -> list[Case]:
    cases = [rows(op, f"o = {op}(h)", opset=max(since, 9)) for op, since in _FLOAT_UNARY.items()]
    cases += [rows(op, f"s = Sigmoid(h)\no = {op}(s)") for op in _BETWEEN_0_AND_1]
    cases += [
        rows("Acosh", "s = Exp(h)\nt = Add(s, one)\no = Acosh(t)", more={"one": f32([1])}),
        rows("Swish", "o = Swish(h)", opset=24),
        rows("Cast", "i = Cast<to=7>(h)\no = Cast<to=1>(i)"),
        rows("Not", "b = Cast<to=9>(h)\nn = Not(b)\no = Cast<to=1>(n)"),
        rows("BitwiseNot", "i = Cast<to=6>(h)\nn = BitwiseNot(i)\no = Cast<to=1>(n)"),
        rows("IsNaN", "n = IsNaN(h)\nf = Cast<to=1>(n)\no = Add(f, h)"),
        rows("IsInf", "n = IsInf(h)\nf = Cast<to=1>(n)\no = Add(f, h)"),
        rows("Dropout", "o = Dropout(h)", opset=13),
        rows("Dropout", "o, m = Dropout<ratio=0.3>(h)", "mask", opset=10),
        rows("Dropout", "o, m = Dropout(h, r, t)", "inference", opset=13,
             more={"r": f32(0.5), "t": np.asarray(False)}),
    ]  # fmt: skip
    return cases


def _binary() -> list[Case]:
    cases = [
        rows(op, f"o = {op}(h, c)", more={"c": _vector()}, free={"w:1": 8, "c:0": 8, "v:0": 8}) for op in _FLOAT_PAIR
    ]
    cases += [
        rows(op, f"a = Round(h)\ng = MatMul(x, u)\nb = Round(g)\nk = {op}(a, b)\no = Cast<to=1>(k)",
             more={"u": (6, 8)}, free={"w:1": 8, "u:1": 8, "v:0": 8})
        for op in _COMPARISONS
    ]  # fmt: skip
    cases += [
        rows(op, f"a = Greater(h, c)\ng = MatMul(x, u)\nb = Greater(g, c)\nk = {op}(a, b)\no = Cast<to=1>(k)",
             more={"c": f32([0.1]), "u": (6, 8)}, free={"w:1": 8, "u:1": 8, "v:0": 8})
        for op in _LOGIC
    ]  # fmt: skip
    cases += [
        rows(op, f"a = Cast<to=6>(h)\nk = {op}(a, c)\no = Cast<to=1>(k)", more={"c": np.arange(8, dtype=np.int32)},
             pinned={"w:1": f"joined with an axis that is fixed ({op} 'k')"})
        for op in _BITS
    ]  # fmt: skip
    return cases


def _odd() -> list[Case]:
    integers = "a = Abs(h)\ni = Cast<to=12>(a)\ng = MatMul(x, u)\nb = Abs(g)\nj = Cast<to=12>(b)\n"
    return [
        rows("BitShift", integers + 'k = BitShift<direction="LEFT">(i, j)\no = Cast<to=1>(k)',
             more={"u": (6, 8)}, free={"w:1": 8, "u:1": 8, "v:0": 8}),
        *(rows(op, f"i = Cast<to=6>(h)\nk = {op}(i, i)\no = Cast<to=1>(k)", "both") for op in _BITS),
        rows("Pow", "a = Abs(h)\no = Pow(a, c)", more={"c": _vector()}),
        rows("Mod", "o = Mod<fmod=1>(h, c)", more={"c": _vector()}),
        rows("CastLike", "i = CastLike(h, k)\no = CastLike(i, h)", more={"k": i64([1, 2, 3])}, opset=19),
        rows("Clip", "o = Clip<max=0.5, min=-0.5>(h)", "attributes", opset=9),
        rows("Clip", "o = Clip(h, a, b)", "inputs", opset=13, more={"a": f32(-0.5), "b": f32(0.5)}),
        rows("Clip", "o = Clip(h, , b)", "maximum", opset=13, more={"b": f32(0.5)}),
        rows("Where", "k = Greater(h, c)\ng = MatMul(x, u)\no = Where(k, h, g)", more={"c": _vector(), "u": (6, 8)},
             free={"w:1": 8, "u:1": 8, "c:0": 8, "v:0": 8}),
        rows("Add", "o = Add(h, c)", "scalar", more={"c": f32([0.5])}),
        rows("Add", "o = Add(h, c)", "row", more={"c": (1, 8)}, free={"w:1": 8, "c:1": 8}),
        tokens("Mul", "g = MatMul(x, u)\no = Mul(h, g)", "one column", more={"u": (6, 1)}),
        rows("Max", "o = Max(h, c, d)", "three", more={"c": (8,), "d": (8,)}, free={"c:0": 8, "d:0": 8}),
        picture("Mul", "o = Mul(h, c)", "scale of a channel", more={"c": (8, 1, 1)}, free={"w:0": 8, "c:0": 8}),
        picture("PRelu", "o = PRelu(h, c)", "slope of a channel", more={"c": (8, 1, 1)}, free={"c:0": 8}),
        Case("Add", "h = MatMul(x, w)\no = Add(h, x)\ny = MatMul(o, v)", {"w": (6, 6), "v": (6, 5)}, "graph input",
             pinned={"w:1": "joined with an axis that is fixed (Add 'o')",
                     "v:0": "joined with an axis that is fixed (MatMul 'y')"}),
    ]  # fmt: skip


CASES = [*_unary(), *_binary(), *_odd()]
