"""Blocks that fit a tensor of any shape: activations, constants that broadcast, clips, branches."""

from __future__ import annotations

import numpy as np

from tests.fuzz.builder import Builder, Value

_ANY = ("Relu", "Sigmoid", "Tanh", "Softplus", "Erf", "Neg", "Abs", "LeakyRelu", "Elu", "HardSigmoid", "Sin",
        "Softsign", "Selu", "Identity", "Dropout", "Cast", "ThresholdedRelu", "Celu", "Shrink")  # fmt: skip


def activation(b: Builder, v: Value) -> Value:
    """One activation, whole or as exporters take it apart."""
    kind = b.draw.integer(0, 7)
    if kind == 0:
        return b.unary("Relu", v)
    if kind == 1:  # SiLU
        return b.add(v, b.unary("Sigmoid", v), "Mul")
    if kind == 2:  # Gelu, the exporters' way
        inner = b.unary("Erf", b.op("Div", [v, b.constant(1.4142135, np.float32)], v.shape))
        one = b.op("Add", [inner, b.constant(1.0, np.float32)], v.shape)
        return b.op("Mul", [b.op("Mul", [v, one], v.shape), b.constant(0.5, np.float32)], v.shape)
    if kind == 3 and b.opset >= 20:
        return b.unary("Gelu", v, approximate=b.draw.pick(["none", "tanh"]))
    if kind == 4:
        return clip(b, v)
    op = b.draw.pick(_ANY)
    if op in ("Dropout", "Celu") and b.opset < 12:
        op = "Identity"
    return b.unary(op, v, **({"to": 1} if op == "Cast" else {}))


def clip(b: Builder, v: Value) -> Value:
    """Clip with one bound left empty sometimes."""
    low, high = b.constant(-1.0, np.float32), b.constant(1.5, np.float32)
    return b.op("Clip", b.draw.pick([[v, low, high], [v, "", high], [v, low]]), v.shape)


def _broadcast_weight(b: Builder, v: Value, positive: bool = False) -> str:
    """A weight that broadcasts to ``v``: fewer axes, some of size 1."""
    first = b.draw.integer(0, v.rank - 1)
    shape = [d.factor if d.static and b.draw.chance(70) else 1 for d in v.shape[first:]]
    return b.weight(*shape, positive=positive)


def affine(b: Builder, v: Value) -> Value:
    """v op weight."""
    op = b.draw.pick(["Add", "Mul", "Sub", "Div", "Max", "Min", "PRelu"])
    if op == "PRelu":
        return b.op(op, [v, _broadcast_weight(b, v)], v.shape)
    return b.add(v, _broadcast_weight(b, v, positive=op == "Div"), op)


def power(b: Builder, v: Value) -> Value:
    """A square, or the root of an absolute value."""
    if b.draw.chance(50):
        return b.op("Pow", [v, b.constant(2.0, np.float32)], v.shape)
    return b.unary("Sqrt", b.unary("Abs", v))


def where(b: Builder, v: Value) -> Value:
    """Where(v > weight, v, other)."""
    test = b.raw(b.draw.pick(["Greater", "Less"]), [v.name, _broadcast_weight(b, v)])[0]
    if b.draw.chance(30):
        test = b.raw("Not", [test])[0]
    other = b.draw.pick([b.constant(0.1, np.float32), _broadcast_weight(b, v)])
    return b.op("Where", [test, v, other], v.shape)


def gate(b: Builder, v: Value) -> Value:
    """v with itself, as in self-gating and x + f(x)."""
    return b.add(v, activation(b, v), b.draw.pick(["Add", "Mul", "Sub"]))


def mean_of_many(b: Builder, v: Value) -> Value:
    """Sum, Mean, Max, Min of three operands."""
    op = b.draw.pick(["Sum", "Mean", "Max", "Min"])
    return b.op(op, [v, _broadcast_weight(b, v), activation(b, v)], v.shape)


def dead(b: Builder, v: Value) -> Value:
    """A node whose result nothing reads, with a weight of its own."""
    b.add(v, _broadcast_weight(b, v))
    return v


def double_precision(b: Builder, v: Value) -> Value:
    """Double and back: Cast to another float type."""
    wide = b.op("Cast", [v], v.shape, to=11)
    return b.op("Cast", [wide], v.shape, to=1)


BLOCKS = (activation, affine, gate, where, power, mean_of_many, dead, double_precision)
