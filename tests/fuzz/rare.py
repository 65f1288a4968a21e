"""Blocks of ops that few networks hold: fused attention, quantisation, samplers, sorting, com.microsoft."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from tests.fuzz.builder import Builder, Dim, Value
from tests.fuzz.movement import static_axis
from tests.fuzz.shaping import reshape

MICROSOFT = "com.microsoft"


def fused_attention(b: Builder, v: Value) -> Value:
    """Attention of opset 23, packed or with heads apart, grouped or not."""
    if b.opset < 23 or v.rank != 3:
        return microsoft_attention(b, v)
    heads, width = b.draw.integer(1, 3), b.draw.pick([2, 4])
    groups = b.draw.pick([1, heads]) if heads > 1 else heads
    q, k, value = (b.linear(v, n * width) for n in (heads, groups, groups))
    if b.draw.chance(50):
        attrs = {"q_num_heads": heads, "kv_num_heads": groups}
        out = b.op("Attention", [q, k, value], (*v.shape[:2], Dim(heads * width)), **attrs)
        return b.linear(out, v.size(2))
    apart = [
        b.transpose(reshape(b, x, (*x.shape[:2], Dim(n), Dim(width))), 0, 2, 1, 3)
        for x, n in ((q, heads), (k, groups), (value, groups))
    ]
    cosine, sine = (b.weight(1, 8, width // 2) for _ in range(2))
    if v.shape[1].static and v.shape[0] == Dim(1) and v.size(1) <= 8 and b.draw.chance(50):
        tables = [b.raw("Slice", [t, *map(b.constant, ([0], [v.size(1)], [1]))])[0] for t in (cosine, sine)]
        apart[:2] = [b.op("RotaryEmbedding", [x, *tables], x.shape) for x in apart[:2]]
    out = b.op("Attention", apart, apart[0].shape)
    joined = reshape(b, b.transpose(out, 0, 2, 1, 3), (*v.shape[:2], Dim(heads * width)))
    return b.linear(joined, v.size(2))


def microsoft_attention(b: Builder, v: Value) -> Value:
    """MultiHeadAttention of com.microsoft, with or without its bias."""
    if v.rank != 3:
        return v
    heads, width = b.draw.integer(1, 3), b.draw.pick([2, 4])
    parts = [b.linear(v, heads * width) for _ in range(3)]
    bias = [b.weight(3 * heads * width)] if b.draw.chance(50) else []
    out = b.op("MultiHeadAttention", [*parts, *bias], parts[0].shape, num_heads=heads, domain=MICROSOFT)
    return b.linear(out, v.size(2))


def fused_norm(b: Builder, v: Value) -> Value:
    """SkipLayerNormalization: shortcut and norm in one."""
    if v.rank != 3:
        return v
    c = v.size(2)
    more = [b.weight(c) for _ in range(b.draw.integer(1, 3))]
    out = b.op("SkipLayerNormalization", [v, b.linear(v, c), *more], v.shape, domain=MICROSOFT)
    return b.add(out, b.linear(b.unary("Relu", b.linear(out, 4)), c))


def fused_linear(b: Builder, v: Value) -> Value:
    """FusedMatMul with a turned weight, then a fused activation."""
    width = b.draw.integer(2, 6)
    shape = (*v.shape[:-1], Dim(width))
    turned = b.draw.integer(0, 1)
    weight = b.weight(width, v.size(-1)) if turned else b.weight(v.size(-1), width)
    out = b.op("FusedMatMul", [v, weight], shape, transB=turned, alpha=0.5, domain=MICROSOFT)
    op = b.draw.pick(["BiasGelu", "QuickGelu", "FastGelu"])
    return b.op(op, [out, *([] if op == "QuickGelu" else [b.weight(width)])], shape, domain=MICROSOFT)


def fake_quantised(b: Builder, v: Value) -> Value:
    """Quantised and back, per tensor or per index of an axis."""
    axis = static_axis(b, v)
    if axis is None:
        return v
    count = v.size(axis)
    scale = b.constant(np.linspace(0.05, 0.2, count) if b.draw.chance(60) else 0.1, np.float32)
    per_axis = b.weights[scale].ndim == 1
    zero = b.constant(np.zeros(count if per_axis else ()), np.int8)
    attrs = {"axis": axis} if per_axis and b.opset >= 13 else {}
    if per_axis and b.opset < 13:
        return v
    whole = b.raw("QuantizeLinear", [v.name, scale, zero], **attrs)[0]
    return b.op("DequantizeLinear", [whole, scale, zero], v.shape, **attrs)


def quantised_weight(b: Builder, v: Value) -> Value:
    """A linear layer whose weight is stored as int8, per column."""
    if b.opset < 13 or not v.static(v.rank - 1):
        return v
    width = b.draw.integer(2, 6)
    stored = b.constant(b.rng.integers(-100, 100, (v.size(-1), width)), np.int8)
    scale = b.constant(np.linspace(0.005, 0.01, width), np.float32)
    zero = [b.constant(np.arange(width) % 3, np.int8)] if b.draw.chance(50) else []
    weight = b.raw("DequantizeLinear", [stored, scale, *zero], axis=1)[0]
    return b.op("MatMul", [v, weight], (*v.shape[:-1], Dim(width)))


def sort(b: Builder, v: Value) -> Value:
    """The largest along an axis, or where it stands."""
    axis = static_axis(b, v)
    if axis is None or v.rank < 3:
        return v
    shape = (*v.shape[:axis], Dim(1), *v.shape[axis + 1 :])
    if b.draw.chance(50):
        found = b.raw("ArgMax", [v.name], axis=axis)[0]
        return b.add(v, b.op("Cast", [found], shape, to=1), "Mul")
    values = b.raw("TopK", [v.name, b.constant([1])], 2, axis=axis)[0]
    return b.add(v, values, "Sub")


def neighbours(b: Builder, v: Value) -> Value:
    """Normalisations without weights."""
    op = b.draw.pick(["LRN", "LpNormalization", "MeanVarianceNormalization"])
    if op == "LpNormalization" or v.rank != 4:
        return b.unary("LpNormalization", v, axis=b.draw.pick([-1, 1]), p=2)
    # Left out, onnx's checker cannot read its own default of these axes.
    return b.unary(op, v, **({"size": 3} if op == "LRN" else {"axes": [0, 2, 3]}))


def triangle(b: Builder, v: Value) -> Value:
    if b.opset < 14:
        return v
    return b.op("Trilu", [v, b.constant(b.draw.pick([0, 1]))], v.shape, upper=b.draw.integer(0, 1))


def sample(b: Builder, v: Value) -> Value:
    """Half-way between the pixels, by a stored grid, for every picture of a static batch."""
    if v.rank != 4 or not v.static(0, 2, 3) or b.opset < 16:
        return v
    grid = b.constant(b.rng.uniform(-0.9, 0.9, (v.size(0), 3, 3, 2)), np.float32)
    return b.op("GridSample", [v, grid], (*v.shape[:2], Dim(3), Dim(3)))


def all_equal(b: Builder, v: Value) -> Value:
    """Plus a tensor of one number, made to measure at run time."""
    size = b.raw("Shape", [v.name])[0]
    filled = b.raw("ConstantOfShape", [size], value=_number(0.25))[0]
    return b.add(v, filled)


def _number(value: float) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array([value], np.float32))


def twisted(b: Builder, v: Value) -> Value:
    """A dynamic axis and a static one read the other way round, which mixes rows."""
    if v.rank != 2 or v.shape[0].static or not v.static(1):
        return v
    n, c = v.shape
    other = reshape(b, v, (c, n))
    return reshape(b, b.unary("Relu", other), (n, c))


def place(b: Builder, v: Value) -> Value:
    """The first row of a static axis overwritten."""
    if v.rank < 2 or not v.static(*range(v.rank)) or v.size(0) < 2:
        return v
    row = b.op("Gather", [v, b.constant(1)], v.shape[1:], axis=0)
    return b.op("ScatterND", [v, b.constant([[0]]), b.unsqueeze(row, 0)], v.shape)


BLOCKS = (fused_attention, fused_norm, fused_linear, fake_quantised, quantised_weight, sort, neighbours, triangle,
          sample, all_equal, twisted, place)  # fmt: skip
