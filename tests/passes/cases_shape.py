"""Cases: ops that change shape without touching values, and those that read or make shapes."""

from __future__ import annotations

import numpy as np

from tests.passes.graphs import f32, i64
from tests.passes.op_case import Case, picture, rows, tokens


def _i(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


_VIEWS = [
    tokens("Transpose", "t = Transpose<perm=[1, 2, 0]>(h)\no = Transpose<perm=[2, 0, 1]>(t)"),
    Case("Transpose", "h = MatMul(x, w)\no = Transpose(h)\ny = MatMul(v, o)", {"w": (6, 8), "v": (5, 8)}, "reversed",
         free={"w:1": 8, "v:1": 8}),
    rows("Squeeze", "u = Unsqueeze<axes=[1]>(h)\no = Squeeze<axes=[1]>(u)", opset=11),
    rows("Squeeze", "u = Unsqueeze(h, a)\no = Squeeze(u, a)", opset=13, more={"a": _i(-2)}),
    Case("Squeeze", "h = MatMul(x, w)\no = Squeeze(h)\ny = MatMul(o, v)", {"w": (6, 8), "v": (8, 5)}, "all ones",
         "float[4, 1, 6] x", free={"w:1": 8, "v:0": 8}),
    rows("Unsqueeze", "u = Unsqueeze<axes=[0, 3]>(h)\no = Squeeze<axes=[0, 3]>(u)", opset=11),
    rows("Unsqueeze", "u = Unsqueeze(h, a)\no = Squeeze(u, b)", opset=13, more={"a": _i(0, -1), "b": _i(0, -1)}),
    picture("DepthToSpace", "o = DepthToSpace<blocksize=2>(h)", "DCR", out=2, free={"w:0": 8, "v:1": 2}),
    picture("DepthToSpace", 'o = DepthToSpace<blocksize=2, mode="CRD">(h)', "CRD", out=2, opset=13,
            free={"w:0": 8, "v:1": 2}),
    picture("SpaceToDepth", "o = SpaceToDepth<blocksize=2>(h)", out=32, free={"w:0": 8, "v:1": 32}),
]  # fmt: skip

_FLATTEN = [
    Case("Flatten", "h = Conv(x, w)\nf = Flatten(h)\ny = Gemm(f, v)", {"w": (8, 3, 1, 1), "v": (128, 5)}, "pixels",
         "float[N, 3, 4, 4] x", free={"w:0": 8, "v:0": 128}),
    Case("Flatten", "h = MatMul(x, w)\no = Flatten<axis=2>(h)\ny = Gemm(o, v)", {"w": (6, 8), "v": (8, 5)}, "tokens",
         "float[N, S, 6] x", free={"w:1": 8, "v:0": 8}),
]  # fmt: skip

# Heads: h [N, S, 8] -> [N, S, 2, 4]; the width of a head is an atom, and so is the head.
_RESHAPE = [
    tokens("Reshape", "s = Reshape(h, k)\nt = Transpose<perm=[0, 2, 1, 3]>(s)\nu = Transpose<perm=[0, 2, 1, 3]>(t)\n"
           "o = Reshape(u, m)", "heads", more={"k": _i(0, 0, 2, 4), "m": _i(0, 0, 8)}),
    tokens("Reshape", "s = Reshape(h, k)\no = Reshape(s, m)", "inferred",
           more={"k": _i(0, 0, -1, 4), "m": _i(0, 0, -1)}),
    Case("Reshape", "h = MatMul(x, w)\ns = Reshape(h, k)\nt = Relu(s)\no = Reshape(t, m)\ny = MatMul(o, v)",
         {"w": (6, 8), "v": (8, 5), "k": _i(-1, 3, 2, 4), "m": _i(-1, 3, 8)}, "batch inferred", "float[N, 3, 6] x",
         free={"w:1": 8, "v:0": 8}),
    tokens("Reshape", "n = Shape(h)\nb = Gather(n, z)\nq = Gather(n, one)\nk = Concat<axis=0>(b, q, p)\n"
           "s = Reshape(h, k)\nm = Concat<axis=0>(b, q, e)\no = Reshape(s, m)", "computed",
           more={"z": _i(0), "one": _i(1), "p": _i(2, 4), "e": _i(8)}),
    Case("Reshape", "h = MatMul(x, w)\nk = Shape(h)\ns = Reshape(h, m)\nt = Relu(s)\no = Reshape(t, k)\n"
         "y = MatMul(o, v)", {"w": (6, 8), "v": (8, 5), "m": _i(-1)}, "shape of another tensor", "float[N, 6] x",
         free={"w:1": 8}),
    Case("Reshape", "h = MatMul(x, w)\nn = Shape(x)\nb = Slice(n, z, one)\ns = Reshape(h, k)\n"
         "t = Transpose<perm=[0, 2, 1, 3]>(s)\nb2 = Mul(b, two)\nq = Concat<axis=0>(b2, p)\nf = Reshape(t, q)\n"
         "g = Relu(f)\nr = Concat<axis=0>(b, p2)\nd = Reshape(g, r)\ne = Transpose<perm=[0, 2, 1, 3]>(d)\n"
         "o = Reshape(e, m)\ny = MatMul(o, v)",
         {"w": (6, 8), "v": (8, 5), "k": _i(0, 3, 2, 4), "two": _i(2), "p": _i(3, 4), "p2": _i(2, 3, 4),
          "m": _i(0, 3, 8), "z": _i(0), "one": _i(1)}, "batch times heads", "float[N, 3, 6] x",
         free={"w:1": 8, "v:0": 8}),
    Case("Reshape", "h = MatMul(x, w)\no = Reshape(h, k)\ny = MatMul(o, v)", {"w": (6, 6), "v": (4, 5),
         "k": _i(3, 4)}, "cuts across", "float[2, 6] x", pinned={"w:1": "the reshape cuts across channels"}),
    Case("Reshape", "h = Conv(x, w)\ns = Reshape(h, k)\nt = Transpose<perm=[0, 2, 1, 3, 4]>(s)\no = Reshape(t, m)\n"
         "y = Conv(o, v)", {"w": (8, 3, 1, 1), "v": (5, 8, 1, 1), "k": _i(0, 2, 4, 6, 6), "m": _i(0, 8, 6, 6)},
         "channel shuffle", "float[N, 3, 6, 6] x", free={"w:0": 8, "v:1": 8}),
]  # fmt: skip

_COPIES = [
    Case("Expand", "h = MatMul(x, w)\no = Expand(h, k)\ny = MatMul(o, v)", {"w": (6, 8), "v": (8, 5),
         "k": _i(4, 3, 8)}, "rows", "float[3, 6] x", free={"w:1": 8, "v:0": 8}),
    tokens("Expand", "u = Unsqueeze(h, a)\ne = Expand(u, k)\no = Reshape(e, m)", "grouped queries", out=24,
           more={"a": _i(3), "k": _i(1, 1, 8, 3), "m": _i(0, 0, 24)}, free={"w:1": 8, "v:0": 24}),
    Case("Expand", "n = Shape(x)\nb = Slice(n, z, one)\nk = Concat<axis=0>(b, q)\no = Expand(c, k)\ng = MatMul(x, w)\n"
         "s = Add(o, g)\ny = MatMul(s, v)", {"c": (1, 8), "w": (6, 8), "v": (8, 5), "z": _i(0), "one": _i(1),
         "q": _i(8)}, "class token", free={"c:1": 8, "w:1": 8, "v:0": 8}),
    tokens("Tile", "o = Tile(h, k)", "channels", more={"k": _i(1, 2, 2)}, out=16, free={"w:1": 8, "v:0": 16}),
    Case("Tile", "h = MatMul(x, w)\nt = Tile(c, k)\no = Add(h, t)\ny = MatMul(o, v)", {"w": (6, 8), "v": (8, 5),
         "c": f32([[0.5]]), "k": _i(1, 8)}, "of one", free={"w:1": 8, "v:0": 8}),
    Case("ConstantOfShape", "n = Shape(x)\nb = Slice(n, z, one)\nk = Concat<axis=0>(b, q)\n"
         "c = ConstantOfShape<value=float[1]{1.5}>(k)\nh = MatMul(x, w)\no = Add(h, c)\ny = MatMul(o, v)",
         {"w": (6, 8), "v": (8, 5), "z": _i(0), "one": _i(1), "q": _i(8)}, "", free={"w:1": 8, "v:0": 8}),
]  # fmt: skip

_DATA = [
    tokens("Shape", "n = Shape(h)\nf = Cast<to=1>(n)\nt = ReduceSum(f)\no = Mul(h, t)", "as data"),
    tokens("Shape", "n = Shape<start=1>(h)\nf = Cast<to=1>(n)\nt = ReduceSum(f)\no = Mul(h, t)", "a part", opset=15),
    tokens("Size", "n = Size(h)\nf = Cast<to=1>(n)\no = Mul(h, f)"),
    Case("Range", "h = MatMul(x, w)\nn = Shape(h)\nk = Gather(n, one)\nr = Range(z, k, one)\nf = Cast<to=1>(r)\n"
         "o = Mul(h, f)\ny = MatMul(o, v)", {"w": (6, 8), "v": (8, 5), "one": i64(1), "z": i64(0)},
         "over channels", pinned={"w:1": "joined with an axis that is fixed (Mul 'o')"}),
    Case("EyeLike", "h = MatMul(x, w)\ne = EyeLike(h)\nt = MatMul(e, u)\ng = MatMul(h, v)\ny = Add(t, g)",
         {"w": (6, 8), "u": (8, 5), "v": (8, 5)}, "", "float[4, 6] x", pinned={"w:1": "EyeLike"}),
    Case("OneHot", "h = MatMul(x, w)\ni = Cast<to=7>(h)\ne = OneHot(i, d, k)\nr = ReduceSum(e, a)\ny = MatMul(r, v)",
         {"w": (6, 8), "v": (3, 5), "d": i64(3), "k": f32([0, 1]), "a": _i(1)}, "of channels",
         "float[4, 6] x", opset=13, pinned={"w:1": "OneHot"}),
    Case("OneHot", "e = OneHot(i, d, k)\nh = MatMul(e, w)\ny = MatMul(h, v)", {"w": (10, 8), "v": (8, 5),
         "d": i64(10), "k": f32([0, 1])}, "tokens", "int64[N] i", free={"w:1": 8},
         pinned={"w:0": "joined with an axis that is fixed (MatMul 'h')"}),
    Case("NonZero", "h = MatMul(x, w)\nn = NonZero(h)\nk = Shape(n)\nf = Cast<to=1>(k)\nt = ReduceSum(f)\n"
         "g = MatMul(h, v)\ny = Add(g, t)", {"w": (6, 8), "v": (8, 5)}, "", pinned={"w:1": "returns positions"}),
]  # fmt: skip

CASES = [*_VIEWS, *_FLATTEN, *_RESHAPE, *_COPIES, *_DATA]
