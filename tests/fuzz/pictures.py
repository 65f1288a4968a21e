"""Blocks on pictures [N, C, H, W]."""

from __future__ import annotations

import numpy as np

from tests.fuzz.builder import MOST_ELEMENTS, Builder, Dim, Value, product
from tests.fuzz.elementwise import activation
from tests.fuzz.shaping import reshape


def is_picture(v: Value) -> bool:
    return v.rank == 4 and v.static(1, 2, 3) and v.size(1) > 1


def conv(b: Builder, v: Value, out: int | None = None, *, group: int | None = None, kernel: int | None = None,
         stride: int = 1) -> Value:  # fmt: skip
    """Same-padded convolution, dense, grouped or depthwise, with or without a bias (or an empty one)."""
    channels = v.size(1)
    kernel = kernel or b.draw.pick([1, 3])
    groups = [g for g in range(2, channels + 1) if channels % g == 0]
    group = group or (b.draw.pick(groups) if groups and out is None and b.draw.chance(35) else 1)
    out = out or group * b.draw.integer(1, max(1, 8 // group))
    inputs = [v.name, b.weight(out, channels // group, kernel, kernel)]
    inputs += b.draw.pick([[], [b.weight(out)], [""]])
    pad = [kernel // 2] * 4
    sizes = [Dim((size.factor - 1) // stride + 1) for size in v.shape[2:]]
    attrs = {"group": group} if group > 1 or b.draw.chance(50) else {}
    more = {"kernel_shape": [kernel, kernel]} if b.draw.chance(50) else {}
    return b.op("Conv", inputs, (v.shape[0], Dim(out), *sizes), pads=pad, strides=[stride, stride], **attrs, **more)


def strided(b: Builder, v: Value) -> Value:
    return conv(b, v, stride=2)


def conv_transpose(b: Builder, v: Value) -> Value:
    """Doubles the picture, dense or grouped."""
    channels = v.size(1)
    group = b.draw.pick([g for g in range(1, channels + 1) if channels % g == 0])
    out = b.draw.integer(1, max(1, 6 // group))
    bias = [b.weight(out * group)] if b.draw.chance(50) else []
    shape = (v.shape[0], Dim(out * group), *(Dim(2 * d.factor) for d in v.shape[2:]))
    return b.op("ConvTranspose", [v, b.weight(channels, out, 2, 2), *bias], shape, strides=[2, 2], group=group)


def norm(b: Builder, v: Value) -> Value:
    """Batch, instance or group normalisation, the last also as exporters write it."""
    c = v.size(1)
    kind = b.draw.integer(0, 3)
    if kind == 0:
        more = [b.weight(c), b.weight(c), b.weight(c), b.weight(c, positive=True)]
        return b.op("BatchNormalization", [v, *more], v.shape)
    if kind == 1:
        return b.op("InstanceNormalization", [v, b.weight(c), b.weight(c)], v.shape)
    groups = b.draw.pick([g for g in range(1, c + 1) if c % g == 0])
    if kind == 2 and b.opset >= 21:
        return b.op("GroupNormalization", [v, b.weight(c), b.weight(c)], v.shape, num_groups=groups)
    flat = reshape(b, v, (v.shape[0], Dim(groups), Dim(c // groups * v.size(2) * v.size(3))))
    ones, zeros = b.constant(np.ones(groups), np.float32), b.constant(np.zeros(groups), np.float32)
    done = reshape(b, b.op("InstanceNormalization", [flat, ones, zeros], flat.shape), v.shape)
    return b.add(b.add(done, b.weight(c, 1, 1), "Mul"), b.weight(c, 1, 1))


def conv_norm_act(b: Builder, v: Value, out: int | None = None) -> Value:
    return activation(b, norm(b, conv(b, v, out)))


def residual(b: Builder, v: Value) -> Value:
    """Basic block; the shortcut is plain or projected."""
    width = b.draw.integer(2, 6)
    inner = conv_norm_act(b, v, width)
    out = v.size(1) if b.draw.chance(70) else b.draw.integer(2, 6)
    inner = conv(b, inner, out)
    short = v if out == v.size(1) and b.draw.chance(80) else conv(b, v, out, kernel=1)
    return activation(b, b.add(inner, short))


def dense(b: Builder, v: Value) -> Value:
    return b.concat([v, conv_norm_act(b, v, b.draw.integer(1, 4))], 1)


def squeeze_excite(b: Builder, v: Value) -> Value:
    """Global pooling, two 1x1 convolutions or linear layers, a gate per channel."""
    c, width = v.size(1), b.draw.integer(2, 4)
    pooled = b.op("GlobalAveragePool", [v], (*v.shape[:2], Dim(1), Dim(1)))
    if b.draw.chance(50):
        hidden = b.unary("Relu", conv(b, pooled, width, kernel=1))
        gate = conv(b, hidden, c, kernel=1)
    else:
        hidden = b.unary("Relu", b.linear(reshape(b, pooled, v.shape[:2]), width))
        gate = reshape(b, b.linear(hidden, c), (*v.shape[:2], Dim(1), Dim(1)))
    return b.add(v, b.unary(b.draw.pick(["Sigmoid", "HardSigmoid"]), gate), "Mul")


def inverted(b: Builder, v: Value) -> Value:
    """Expand, depthwise, squeeze-excite, project, add (MobileNet)."""
    width = 2 * v.size(1)
    if width > 16:
        return conv(b, v)
    inner = b.unary("Relu", conv(b, v, width, kernel=1))
    inner = conv(b, inner, width, group=width)
    if b.draw.chance(50):
        inner = squeeze_excite(b, inner)
    return b.add(v, conv(b, inner, v.size(1), kernel=1))


def channel_shuffle(b: Builder, v: Value) -> Value:
    """[N, g, c, H, W] transposed to [N, c, g, H, W] and back."""
    c = v.size(1)
    group = b.draw.pick([g for g in range(1, c + 1) if c % g == 0])
    five = reshape(b, v, (v.shape[0], Dim(group), Dim(c // group), *v.shape[2:]))
    return reshape(b, b.transpose(five, 0, 2, 1, 3, 4), v.shape)


def branches(b: Builder, v: Value) -> Value:
    """Channels split, each part on its own way, joined in any order (CSP, Res2Net, Inception)."""
    cut = b.draw.integer(1, v.size(1) - 1)
    one, two = b.split(v, 1, [cut, v.size(1) - cut])
    if one.size(1) > 1 and b.draw.chance(60):
        one = conv(b, one)
    if b.draw.chance(30):
        two = activation(b, two)
    parts = [one, two, *([conv(b, v, 3)] if b.draw.chance(40) else [])]
    return b.concat(parts[:: b.draw.pick([1, -1])], 1)


def pool(b: Builder, v: Value) -> Value:
    op = b.draw.pick(["MaxPool", "AveragePool", "LpPool"])
    sizes = [Dim((d.factor + 2 - 3) // 2 + 1) for d in v.shape[2:]]
    return b.op(op, [v], (*v.shape[:2], *sizes), kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])


def space_depth(b: Builder, v: Value) -> Value:
    """Blocks of space to channels or back."""
    n, c, h, w = v.shape
    if c.factor % 4 == 0 and b.draw.chance(60):
        mode = b.draw.pick(["DCR", "CRD"])
        shape = (n, Dim(c.factor // 4), Dim(2 * h.factor), Dim(2 * w.factor))
        return b.op("DepthToSpace", [v], shape, blocksize=2, mode=mode)
    if h.factor % 2 == 0 and w.factor % 2 == 0:
        shape = (n, Dim(4 * c.factor), Dim(h.factor // 2), Dim(w.factor // 2))
        return b.op("SpaceToDepth", [v], shape, blocksize=2)
    return pool(b, v)


def resize(b: Builder, v: Value) -> Value:
    """Upsampling by scales, or by sizes computed from the picture's own shape."""
    shape = (*v.shape[:2], Dim(2 * v.size(2)), Dim(2 * v.size(3)))
    mode = b.draw.pick(["nearest", "linear"])
    if b.draw.chance(50):
        scales = b.constant([1, 1, 2, 2], np.float32)
        return b.op("Resize", [v, "" if b.opset >= 13 else b.constant([], np.float32), scales], shape, mode=mode)
    lead = _slice_vector(b, b.raw("Shape", [v.name])[0], 0, 2)
    sizes = b.raw("Concat", [lead, b.constant([shape[2].factor, shape[3].factor])], axis=0)[0]
    empty = "" if b.opset >= 13 else b.constant([], np.float32)
    return b.op("Resize", [v, empty, empty, sizes], shape, mode=mode)


def _slice_vector(b: Builder, vector: str, start: int, end: int) -> str:
    return b.raw("Slice", [vector, b.constant([start]), b.constant([end]), b.constant([0])])[0]


def spatial_attention(b: Builder, v: Value) -> Value:
    """CBAM's second half: mean (and largest) over channels, a convolution, a gate per pixel."""
    maps = [b.reduce("ReduceMean", v, [1])]
    if b.draw.chance(30):
        maps.append(b.reduce("ReduceMax", v, [1]))
    joined = b.concat(maps, 1) if len(maps) > 1 else maps[0]
    gate = b.op("Conv", [joined, b.weight(1, len(maps), 3, 3)], (v.shape[0], Dim(1), *v.shape[2:]), pads=[1] * 4)
    return b.add(v, b.unary("Sigmoid", gate), "Mul")


def to_tokens(b: Builder, v: Value) -> Value:
    """[N, H*W, C]."""
    flat = reshape(b, v, (*v.shape[:2], Dim(v.size(2) * v.size(3))))
    return b.transpose(flat, 0, 2, 1)


def windows(b: Builder, v: Value) -> Value:
    """Swin's window partition: [N * windows, w * w, C]."""
    n, c, h, w = v.shape
    if h.factor % 2 or w.factor % 2:
        return to_tokens(b, v)
    last = b.transpose(v, 0, 2, 3, 1)
    six = reshape(b, last, (n, Dim(h.factor // 2), Dim(2), Dim(w.factor // 2), Dim(2), c))
    order = b.transpose(six, 0, 1, 3, 2, 4, 5)
    return reshape(b, order, (n * Dim(h.factor * w.factor // 4), Dim(4), c))


def to_rows(b: Builder, v: Value) -> Value:
    """[N, C]."""
    if b.draw.chance(50):
        return b.reduce("ReduceMean", v, [2, 3], keep=False)
    op = b.draw.pick(["GlobalAveragePool", "GlobalMaxPool"])
    return reshape(b, b.op(op, [v], (*v.shape[:2], Dim(1), Dim(1))), v.shape[:2])


def fits(v: Value) -> bool:
    return product(v.shape).factor <= MOST_ELEMENTS


BLOCKS = (conv, conv_norm_act, residual, norm, squeeze_excite, dense, inverted, branches, channel_shuffle,
          conv_transpose, strided, pool, space_depth, resize, spatial_attention, to_tokens, windows,
          to_rows)  # fmt: skip
