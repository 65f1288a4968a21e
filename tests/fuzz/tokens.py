"""Blocks on tokens [N, S, C] and rows [N, C]."""

from __future__ import annotations

import numpy as np

from tests.fuzz.builder import Builder, Dim, Value
from tests.fuzz.elementwise import activation
from tests.fuzz.shaping import expand, flatten, reshape


def is_tokens(v: Value) -> bool:
    return v.rank == 3 and v.static(2) and v.size(2) > 1


def is_rows(v: Value) -> bool:
    return v.rank == 2 and v.static(1) and v.size(1) > 1


def linear(b: Builder, v: Value, width: int | None = None) -> Value:
    """A linear layer as MatMul, Einsum, 1-D convolution, or Gemm on flattened tokens."""
    width = width or b.draw.integer(2, 8)
    kind = b.draw.integer(0, 3)
    c = v.size(-1)
    if kind == 1 and b.opset >= 12:
        letters, weight = ("bsc,cd->bsd", (c, width)) if b.draw.chance(50) else ("bsc,dc->bsd", (width, c))
        return b.op("Einsum", [v, b.weight(*weight)], (*v.shape[:2], Dim(width)), equation=letters)
    if kind == 2:
        turned = b.transpose(v, 0, 2, 1)
        out = b.op("Conv", [turned, b.weight(width, c, 1), b.weight(width)], (v.shape[0], Dim(width), v.shape[1]))
        return b.transpose(out, 0, 2, 1)
    if kind == 3:
        flat = reshape(b, v, (v.shape[0] * v.shape[1], Dim(c)))
        return reshape(b, gemm(b, flat, width), (*v.shape[:2], Dim(width)))
    return b.linear(v, width)


def gemm(b: Builder, v: Value, width: int | None = None) -> Value:
    """Gemm, its weight either way round, its bias a row, a matrix of one row, a number, or absent."""
    width = width or b.draw.integer(2, 8)
    turned = b.draw.integer(0, 1)
    weight = b.weight(width, v.size(1)) if turned else b.weight(v.size(1), width)
    bias = b.draw.pick([[], [b.weight(width)], [b.weight(1, width)], [b.weight(1)]])
    return b.op("Gemm", [v, weight, *bias], (v.shape[0], Dim(width)), transB=turned, beta=b.draw.pick([1.0, 0.5]))


def layer_norm(b: Builder, v: Value) -> Value:
    """LayerNormalization or RMSNormalization, whole or taken apart."""
    c = v.size(-1)
    kind = b.draw.integer(0, 3)
    if kind == 0 and b.opset >= 17:
        bias = [b.weight(c)] if b.draw.chance(70) else []
        return b.op("LayerNormalization", [v, b.weight(c), *bias], v.shape, axis=b.draw.pick([-1, v.rank - 1]))
    if kind == 1 and b.opset >= 23:
        return b.op("RMSNormalization", [v, b.weight(c)], v.shape)
    centred = b.add(v, b.reduce("ReduceMean", v, [-1]), "Sub") if kind == 2 else v
    squares = b.op("Pow", [centred, b.constant(2.0, np.float32)], v.shape)
    mean = b.reduce("ReduceMean", squares, [-1])
    root = b.unary("Sqrt", b.op("Add", [mean, b.constant(1e-3, np.float32)], mean.shape))
    scaled = b.add(b.add(centred, root, "Div"), b.weight(c), "Mul")
    return b.add(scaled, b.weight(c)) if b.draw.chance(50) else scaled


def mlp(b: Builder, v: Value) -> Value:
    """Transformer's second half, plain or gated, with its shortcut."""
    width = b.draw.integer(2, 6)
    inner = layer_norm(b, v) if b.draw.chance(40) else v
    kind = b.draw.integer(0, 2)
    if kind == 0:
        hidden = activation(b, linear(b, inner, width))
    elif kind == 1:
        hidden = b.add(b.unary("Sigmoid", linear(b, inner, width)), linear(b, inner, width), "Mul")
    else:
        one, two = b.split(linear(b, inner, 2 * width), 2, [width, width])
        hidden = b.add(activation(b, one), two, "Mul")
    return b.add(v, linear(b, hidden, v.size(2)))


def recurrent(b: Builder, v: Value) -> Value:
    """LSTM, GRU or RNN along S, one or two directions, with empty optional inputs."""
    op, gates = b.draw.pick([("LSTM", 4), ("GRU", 3), ("RNN", 1)])
    hidden, ways = b.draw.integer(2, 4), b.draw.integer(1, 2)
    n, s, c = v.shape
    x = b.transpose(v, 1, 0, 2)
    inputs = [x.name, b.weight(ways, gates * hidden, c.factor), b.weight(ways, gates * hidden, hidden)]
    inputs += [b.weight(ways, 2 * gates * hidden)] if b.draw.chance(60) else [""]
    if op == "LSTM" and b.draw.chance(30):
        inputs += ["", "", "", b.weight(ways, 3 * hidden)]
    way = "bidirectional" if ways == 2 else b.draw.pick(["forward", "reverse"])
    more = {"linear_before_reset": 1} if op == "GRU" and b.draw.chance(50) else {}
    name = b.raw(op, inputs, 1, hidden_size=hidden, direction=way, **more)[0]
    y = Value(name, (s, Dim(ways), n, Dim(hidden)))
    if ways == 1:
        return b.transpose(b.squeeze(y, 1), 1, 0, 2)
    return reshape(b, b.transpose(y, 2, 0, 1, 3), (n, s, Dim(2 * hidden)))


def class_token(b: Builder, v: Value) -> Value:
    """One learnt token in front, stretched over the batch."""
    if not v.shape[1].static:
        return b.add(v, b.weight(v.size(2)))
    token = Value(b.weight(1, 1, v.size(2)), (Dim(1), Dim(1), v.shape[2]))
    return b.concat([expand(b, token, (v.shape[0], Dim(1), v.shape[2])), v], 1)


def positions(b: Builder, v: Value) -> Value:
    """Learnt positions; a table longer than the sequence is sliced by the sequence's own length."""
    if v.shape[1].static:
        return b.add(v, b.weight(1, v.size(1), v.size(2)))
    size = b.raw("Slice", [b.raw("Shape", [v.name])[0], *map(b.constant, ([1], [2], [0]))])[0]
    table = b.weight(1, 400, v.size(2))
    return b.add(v, b.op("Slice", [table, b.constant([0]), size, b.constant([1])], v.shape))


def conv_1d(b: Builder, v: Value) -> Value:
    """Depthwise over time, with a gate (Mamba, Conformer)."""
    c = v.size(2)
    turned = b.transpose(v, 0, 2, 1)
    out = b.op("Conv", [turned, b.weight(c, 1, 3), b.weight(c)], turned.shape, group=c, pads=[1, 1])
    return b.transpose(activation(b, out), 0, 2, 1)


def tokens_to_rows(b: Builder, v: Value) -> Value:
    """First token, last token, mean or largest over tokens."""
    kind = b.draw.integer(0, 3)
    if kind == 0:
        return b.reduce("ReduceMean", v, [1], keep=False)
    if kind == 1:
        return b.op("Gather", [v, b.constant(b.draw.pick([0, -1]))], (v.shape[0], v.shape[2]), axis=1)
    if kind == 2:
        return b.reduce("ReduceMax", v, [1], keep=False)
    one = b.op("Slice", [v, *map(b.constant, ([-1], [2**63 - 1], [1]))], (v.shape[0], Dim(1), v.shape[2]))
    return b.squeeze(one, 1)


def rows_norm(b: Builder, v: Value) -> Value:
    c = v.size(1)
    more = [b.weight(c), b.weight(c), b.weight(c), b.weight(c, positive=True)]
    return b.op("BatchNormalization", [v, *more], v.shape)


def rows_residual(b: Builder, v: Value) -> Value:
    return b.add(v, gemm(b, activation(b, gemm(b, v)), v.size(1)))


def rows_gated(b: Builder, v: Value) -> Value:
    """GLU: one half gates the other."""
    width = b.draw.integer(2, 5)
    one, two = b.split(gemm(b, v, 2 * width), 1, [width, width])
    return b.add(one, b.unary("Sigmoid", two), "Mul")


def rows_to_tokens(b: Builder, v: Value) -> Value:
    """[N, C] read as [N, s, c], or stretched over new tokens."""
    c = v.size(1)
    if c % 2 == 0 and c > 2 and b.draw.chance(60):
        return reshape(b, v, (v.shape[0], Dim(2), Dim(c // 2)))
    return expand(b, b.unsqueeze(v, 1), (v.shape[0], Dim(b.draw.integer(2, 4)), v.shape[1]))


def rows_to_picture(b: Builder, v: Value) -> Value:
    """A generator's first step: a linear layer read as [N, C, 2, 2]."""
    width = b.draw.integer(2, 4)
    return reshape(b, gemm(b, v, 4 * width), (v.shape[0], Dim(width), Dim(2), Dim(2)))


def rows_flatten(b: Builder, v: Value) -> Value:
    return flatten(b, rows_to_picture(b, v))


TOKEN_BLOCKS = (linear, mlp, layer_norm, conv_1d, recurrent, class_token, positions, tokens_to_rows)
ROW_BLOCKS = (gemm, rows_norm, rows_residual, rows_gated, rows_to_tokens, rows_to_picture, rows_flatten)
