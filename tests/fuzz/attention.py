"""Self-attention on tokens [N, S, C]: how heads are cut out, grouped, turned, masked and joined."""

from __future__ import annotations

import numpy as np

from tests.fuzz.builder import Builder, Dim, Value
from tests.fuzz.shaping import expand, reshape
from tests.fuzz.tokens import layer_norm, linear


def attention(b: Builder, v: Value) -> Value:
    """Multi-head or grouped-query attention with its shortcut."""
    heads, width = b.draw.integer(1, 3), b.draw.pick([2, 4])
    groups = b.draw.pick([1, heads]) if heads > 1 and b.draw.chance(40) else heads
    x = layer_norm(b, v) if b.draw.chance(40) else v
    if groups == heads and b.draw.chance(40):
        q, k, value = _packed(b, x, heads, width)
    else:
        q = _heads(b, linear(b, x, heads * width), heads, width)
        k, value = (_heads(b, linear(b, x, groups * width), groups, width) for _ in range(2))
    if b.draw.chance(30):
        q, k = _rotate(b, q), _rotate(b, k)
    if b.draw.chance(15):
        q, k = _unit(b, q), _unit(b, k)
    if groups != heads:
        k, value = _repeat(b, k, heads), _repeat(b, value, heads)
    folded = b.draw.chance(25)
    out = _folded(b, q, k, value) if folded else _product(b, q, k, value)
    out = reshape(b, b.transpose(out, 0, 2, 1, 3), (*v.shape[:2], Dim(heads * width)))
    return b.add(v, linear(b, out, v.size(2)))


def _heads(b: Builder, x: Value, heads: int, width: int) -> Value:
    """[N, S, H*D] as [N, H, S, D]."""
    return b.transpose(reshape(b, x, (*x.shape[:2], Dim(heads), Dim(width))), 0, 2, 1, 3)


def _packed(b: Builder, x: Value, heads: int, width: int) -> list[Value]:
    """Query, key and value of one projection, cut apart before or after the heads."""
    size = heads * width
    qkv = linear(b, x, 3 * size)
    if b.draw.chance(50):
        return [_heads(b, part, heads, width) for part in b.split(qkv, 2, [size] * 3)]
    five = reshape(b, qkv, (*x.shape[:2], Dim(3), Dim(heads), Dim(width)))
    five = b.transpose(five, 2, 0, 3, 1, 4)
    shape = five.shape[1:]
    if b.draw.chance(50):
        return [b.op("Gather", [five, b.constant(i)], shape, axis=0) for i in range(3)]
    return [b.squeeze(part, 0) for part in b.split(five, 0, [1, 1, 1])]


def _rotate(b: Builder, x: Value) -> Value:
    """Rotary embedding by the same angle at every position (a table would fix S)."""
    half = x.size(3) // 2
    lead = x.shape[:3]
    if b.draw.chance(50):
        one, two = b.split(x, 3, [half, half])
    else:
        one, two = (
            b.op("Slice", [x, *map(b.constant, ([lo], [hi], [3]))], (*lead, Dim(half)))
            for lo, hi in ((0, half), (half, 2**62))
        )
    turned = b.concat([b.unary("Neg", two), one], 3)
    cosine, sine = b.weight(1, 1, 1, 2 * half), b.weight(1, 1, 1, 2 * half)
    return b.add(b.add(x, cosine, "Mul"), b.add(turned, sine, "Mul"))


def _unit(b: Builder, x: Value) -> Value:
    """Length one along the head's width (QK norm)."""
    length = b.reduce("ReduceL2", x, [-1])
    return b.add(x, b.op("Add", [length, b.constant(1e-2, np.float32)], length.shape), "Div")


def _repeat(b: Builder, x: Value, heads: int) -> Value:
    """[N, G, S, D] as [N, H, S, D]: each key serves a run of queries."""
    n, g, s, d = x.shape
    many = expand(b, b.unsqueeze(x, 2), (n, g, Dim(heads // g.factor), s, d))
    return reshape(b, many, (n, Dim(heads), s, d))


def _scale(b: Builder, q: Value, scores: Value) -> Value:
    """Times 1/sqrt(D): a constant, or computed from the query's shape."""
    if b.draw.chance(60):
        return b.op("Mul", [scores, b.constant(q.size(-1) ** -0.5, np.float32)], scores.shape)
    size = b.raw("Gather", [b.raw("Shape", [q.name])[0], b.constant(-1)], axis=0)[0]
    root = b.raw("Sqrt", [b.raw("Cast", [size], to=1)[0]])[0]
    return b.op("Div", [scores, root], scores.shape)


def _weights(b: Builder, q: Value, scores: Value) -> Value:
    scores = _scale(b, q, scores)
    if scores.rank == 4 and b.draw.chance(25):  # a learnt bias per head
        scores = b.add(scores, b.weight(scores.size(1), 1, 1))
    if b.opset >= 13 or scores.rank == 2:
        return b.unary("Softmax", scores, axis=-1)
    return b.unary("Softmax", scores, axis=scores.rank - 1)


def _product(b: Builder, q: Value, k: Value, v: Value) -> Value:
    n, h, s, d = q.shape
    if b.opset >= 12 and b.draw.chance(30):
        scores = b.op("Einsum", [q, k], (n, h, s, k.shape[2]), equation="bhqd,bhkd->bhqk")
        return b.op("Einsum", [_weights(b, q, scores), v], q.shape, equation="bhqk,bhkd->bhqd")
    scores = b.op("MatMul", [q, b.transpose(k, 0, 1, 3, 2)], (n, h, s, s))
    return b.op("MatMul", [_weights(b, q, scores), v], (n, h, s, d))


def _folded(b: Builder, q: Value, k: Value, v: Value) -> Value:
    """Batch and heads as one axis, as torch.bmm wants it."""
    n, h, s, d = q.shape
    q3, k3, v3 = (reshape(b, x, (n * h, s, d)) for x in (q, k, v))
    scores = b.op("MatMul", [q3, b.transpose(k3, 0, 2, 1)], (n * h, s, s))
    out = b.op("MatMul", [_weights(b, q3, scores), v3], (n * h, s, d))
    return reshape(b, out, (n, h, s, d))
