"""Cases: ops that pick, join or pad indices, in every form that their opsets gave them."""

from __future__ import annotations

import numpy as np

from tests.passes.graphs import f32, i64
from tests.passes.op_case import Case, picture, rows, tokens


def _i(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


_HALVES = "l, r = {split}\no = Mul(l, r)"
_BOUNDS = {"s": _i(2), "e": _i(6), "a": _i(1)}

_CONCAT = [
    rows("Concat", "g = MatMul(x, u)\no = Concat<axis=1>(h, g)", "two spaces", more={"u": (6, 4)}, out=12,
         free={"w:1": 8, "u:1": 4, "v:0": 12}),
    rows("Concat", "o = Concat<axis=-1>(h, x)", "with the input", out=14, free={"w:1": 8, "v:0": 8}),
    rows("Concat", "o = Concat<axis=1>(h, h)", "twice the same", out=16, free={"w:1": 8, "v:0": 16}),
    tokens("Concat", "g = MatMul(x, u)\no = Concat<axis=1>(h, g)", "other axis", more={"u": (6, 8)},
           free={"w:1": 8, "u:1": 8, "v:0": 8}),
    picture("Concat", "g = Conv(x, u)\no = Concat<axis=1>(g, h)", "dense block", more={"u": (4, 3, 1, 1)}, out=12,
            free={"w:0": 8, "u:0": 4, "v:1": 12}),
]  # fmt: skip

_SPLIT = [
    rows("Split", _HALVES.format(split="Split<axis=1, split=[4, 4]>(h)"), opset=11, out=4, free={"w:1": 8, "v:0": 4}),
    rows("Split", _HALVES.format(split="Split<axis=-1>(h)"), "equal", opset=11, out=4, free={"w:1": 8}),
    rows("Split", _HALVES.format(split="Split<axis=1>(h, p)"), opset=13, more={"p": _i(4, 4)}, out=4, free={"w:1": 8}),
    rows("Split", _HALVES.format(split="Split<axis=1>(h)"), "equal", opset=13, out=4, free={"w:1": 8}),
    rows("Split", _HALVES.format(split="Split<axis=1, num_outputs=2>(h)"), opset=18, out=4, free={"w:1": 8}),
    rows("Split", "l, m, r = Split<axis=1, num_outputs=3>(h)\no = Mul(l, m)", "uneven", out=3, free={"v:0": 3}),
    rows("Split", "l, r = Split<axis=1>(h, p)\no = Concat<axis=1>(r, l)", "swapped", more={"p": _i(3, 5)}),
    picture("Split", "l, r = Split<axis=1, num_outputs=2>(h)\no = Mul(l, r)", "axes after it", out=4,
            free={"w:0": 8, "v:1": 4}),
    tokens("Split", "l, r = Split<axis=2>(h, p)\no = Sigmoid(l)", "one part unused", more={"p": _i(3, 5)}, out=3,
           free={"w:1": 8, "v:0": 3}),
]  # fmt: skip

_SLICE = [
    rows("Slice", "o = Slice<starts=[2], ends=[6], axes=[1]>(h)", opset=9, out=4, free={"w:1": 8, "v:0": 4}),
    rows("Slice", "o = Slice<starts=[0, -6], ends=[100, 100]>(h)", "no axes", opset=9, out=6, free={"v:0": 6}),
    rows("Slice", "o = Slice(h, s, e, a)", opset=10, more=_BOUNDS, out=4, free={"v:0": 4}),
    rows("Slice", "o = Slice(h, s, e, a, t)", "step", opset=13, out=3,
         more={**_BOUNDS, "s": _i(1), "e": _i(8), "t": _i(3)}, free={"v:0": 3}),
    rows("Slice", "o = Slice(h, s, e, a, t)", "backwards", out=8,
         more={"s": _i(-1), "e": _i(-100), "a": _i(-1), "t": _i(-1)}),
    rows("Slice", "o = Slice(h, s, e, a, t)", "backwards by two", out=4,
         more={"s": _i(6), "e": _i(-100), "a": _i(1), "t": _i(-2)}, free={"v:0": 4}),
    rows("Slice", "o = Slice(h, s, e)", "no axes", more={"s": _i(0, 2), "e": _i(1000, 9)}, out=6, free={"v:0": 6}),
    tokens("Slice", "l = Slice(h, s, m, a)\nr = Slice(h, m, e, a)\nn = Neg(r)\no = Concat<axis=2>(n, l)", "rotary",
           more={"s": _i(0), "m": _i(4), "e": _i(8), "a": _i(2)}),
    tokens("Slice", "o = Slice(h, s, e, a)", "other axis", more={"s": _i(1), "e": _i(100), "a": _i(1)}),
    Case("Slice", "h = MatMul(x, w)\nn = Shape(x)\nk = Slice(n, z, a)\nl = Slice(h, z, k, a)\n"
         "o = ReduceSum(l, a)\ny = Mul(o, c)", {"w": (6, 8), "c": (1, 5), "z": _i(0), "a": _i(1)}, "computed bounds",
         pinned={"w:1": "the slice bounds are computed at run time (Slice 'l')"}),
    rows("Slice", "n = Shape(h)\nm = Neg(n)\no = Slice(h, m, n)", "computed bounds, no axes",
         pinned={"w:1": "the slice bounds are computed at run time (Slice 'o')"}),
]  # fmt: skip

_GATHER = [
    rows("Gather", "o = Gather<axis=1>(h, i)", "permutation", more={"i": _i(7, 0, 1, 6, 5, 4, 3, 2)}),
    rows("Gather", "o = Gather<axis=-1>(h, i)", "repeats", more={"i": _i(0, 0, 3, -1)}, out=4,
         free={"w:1": 8, "v:0": 4}),
    rows("Gather", "i = Gather<axis=1>(h, k)\no = Reshape(i, s)", "matrix of indices", out=6,
         more={"k": np.arange(6).reshape(2, 3), "s": _i(0, -1)}, free={"w:1": 8, "v:0": 6}),
    tokens("Gather", "o = Gather<axis=1>(h, i)", "first token", more={"i": i64(0)}),
    rows("Gather", "s = Gather<axis=1>(h, i)\nu = Unsqueeze(s, a)\no = Mul(h, u)", "scalar index",
         more={"i": i64(3), "a": _i(1)}, free={"w:1": 7, "v:0": 7}),
    Case("Gather", "h = Gather(e, i)\ny = MatMul(h, v)", {"e": (10, 8), "v": (8, 5)}, "embedding",
         "int64[N, S] i", free={"e:1": 8, "v:0": 8}, pinned={"e:0": "rows of this axis are looked up at run time"}),
    Case("Gather", "h = MatMul(x, w)\no = Gather<axis=1>(h, i)\ny = MatMul(o, v)", {"w": (6, 8), "v": (3, 5)},
         "run-time index", "float[N, 6] x, int64[3] i", pinned={"w:1": "rows of this axis are looked up at run time"}),
    Case("Gather", "h = MatMul(x, w)\nt = Transpose(h)\nf = Gather<axis=0>(t, i)\nr = Reshape(f, s)\ny = MatMul(r, v)",
         {"w": (6, 8), "v": (4, 5), "i": np.array([[0, 1], [2, 3]]), "s": _i(4, -1)}, "transposed table",
         "float[4, 6] x", free={"w:1": 4}),
]  # fmt: skip

_PAD = [
    picture("Pad", "o = Pad<pads=[0, 2, 0, 0, 0, 1, 0, 0]>(h)", opset=9, out=11, free={"w:0": 8, "v:1": 11}),
    picture("Pad", "o = Pad(h, p)", opset=11, more={"p": _i(0, 2, 1, 1, 0, 1, 1, 1)}, out=11,
            free={"w:0": 8, "v:1": 11}),
    picture("Pad", "o = Pad(h, p, c, a)", "axes", more={"p": _i(2, 1), "c": f32(0), "a": _i(1)}, out=11,
            free={"w:0": 8, "v:1": 11}),
    picture("Pad", 'o = Pad<mode="reflect">(h, p)', "space only", more={"p": _i(0, 0, 1, 1, 0, 0, 1, 1)}),
    picture("Pad", 'o = Pad<mode="edge">(h, p)', "edge", more={"p": _i(0, 1, 0, 0, 0, 1, 0, 0)}, out=10,
            pinned={"w:0": "padding that copies, wraps, crops or is computed at run time"}),
    picture("Pad", "o = Pad(h, p)", "crop", more={"p": _i(0, -1, 0, 0, 0, -1, 0, 0)}, out=6,
            pinned={"w:0": "padding that copies, wraps, crops or is computed at run time"}),
]  # fmt: skip

_SCALES = {"k": f32([1, 1, 2, 2])}
_RESIZE = [
    picture("Upsample", "o = Upsample(h, k)", opset=9, more=_SCALES),
    picture("Resize", "o = Resize(h, k)", opset=10, more=_SCALES),
    picture("Resize", "o = Resize(h, z, k)", opset=11, more={**_SCALES, "z": np.zeros(0, np.float32)}),
    picture("Resize", "o = Resize(h, , k)", opset=13, more=_SCALES),
    picture("Resize", "o = Resize(h, , , t)", "sizes", opset=13, inputs="float[2, 3, 6, 6] x",
            more={"t": _i(2, 8, 12, 12)}),
    picture("Resize", "n = Shape(h)\na = Slice(n, z, two)\nt = Concat<axis=0>(a, q)\no = Resize(h, , , t)",
            "computed sizes", opset=13, more={"z": _i(0), "two": _i(2), "q": _i(12, 9)}),
    picture("Resize", "o = Resize<axes=[2, 3]>(h, , , t)", "axes", more={"t": _i(3, 3)}),
    picture("Resize", "o = Resize(h, , k)", "channels", more={"k": f32([1, 2, 1, 1])}, out=16,
            pinned={"w:0": "this axis is resampled"}),
]  # fmt: skip

_ADDRESSED = [
    Case("GatherND", "h = MatMul(x, w)\no = GatherND(h, i)\ny = MatMul(o, v)", {"w": (6, 8), "v": (8, 5),
         "i": i64([[0, 1], [1, 0], [1, 1]])}, "rows", "float[2, 3, 6] x", free={"w:1": 8, "v:0": 8}),
    Case("GatherND", "h = MatMul(x, w)\no = GatherND(h, i)\ny = MatMul(o, v)", {"w": (6, 8), "v": (3, 5),
         "i": i64([[0, 1], [1, 0], [1, 1]])}, "elements", "float[2, 6] x",
         pinned={"w:1": "GatherND addresses this axis at run time"}),
    Case("GatherND", "h = MatMul(x, w)\no = GatherND<batch_dims=1>(h, i)\ny = MatMul(o, v)",
         {"w": (6, 8), "v": (8, 5), "i": i64([[1], [2]])}, "batched", "float[2, 3, 6] x", free={"w:1": 8}),
    Case("ScatterND", "h = MatMul(x, w)\ng = MatMul(z, u)\no = ScatterND(h, i, g)\ny = MatMul(o, v)",
         {"w": (6, 8), "u": (6, 8), "v": (8, 5), "i": i64([[1], [3]])}, "rows", "float[4, 6] x, float[2, 6] z",
         free={"w:1": 8, "u:1": 8, "v:0": 8}),
    Case("ScatterND", "h = MatMul(x, w)\nt = Transpose(h)\ng = ScatterND(t, i, c)\no = Transpose(g)\ny = MatMul(o, v)",
         {"w": (6, 8), "v": (8, 5), "i": i64([[1], [3]]), "c": (2, 4)}, "channels", "float[4, 6] x",
         pinned={"w:1": "ScatterND addresses this axis at run time"}),
    *(Case(op, f"h = MatMul(x, w)\n{line}\ny = MatMul(o, v)", {"w": (6, 8), "v": (8, 5), "c": (2, 8),
           "i": np.arange(16).reshape(2, 8) % 2}, "", "float[2, 6] x", opset=opset,
           pinned={"w:1": f"{op} addresses single elements"})
      for op, line, opset in (("GatherElements", "o = GatherElements(h, i)", 13),
                              ("ScatterElements", "o = ScatterElements(h, i, c)", 13),
                              ("Scatter", "o = Scatter(h, i, c)", 9))),
]  # fmt: skip

CASES = [*_CONCAT, *_SPLIT, *_SLICE, *_GATHER, *_PAD, *_RESIZE, *_ADDRESSED]
