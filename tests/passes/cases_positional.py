"""Cases: ops that work on positions. Channels pass, positions stay."""

from __future__ import annotations

import numpy as np

from tests.passes.graphs import f32, i64
from tests.passes.op_case import Case, picture, rows, tokens


def _i(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


_GRID = np.random.default_rng(3).uniform(-1, 1, (2, 4, 4, 2)).astype(np.float32)
_SLIDES = "a convolution slides over this axis"
_BOXES = f32([[0, 0, 4, 4], [1, 1, 5, 3]])
# Every other pixel of 2 x 8 pictures of 6 x 6.
_FOURTHS = np.arange(2 * 8 * 6 * 6).reshape(2, 8, 6, 6)[..., ::2, ::2]
_PICTURES = "float[2, 3, 6, 6] x"

CASES = [
    picture("GridSample", "o = GridSample(h, q)", inputs=_PICTURES, opset=20, more={"q": _GRID},
            free={"w:0": 8, "v:1": 8}, pinned={f"q:{axis}": "positions to sample at" for axis in range(4)}),
    picture("RoiAlign", "o = RoiAlign<output_height=2, output_width=3>(h, q, i)", inputs=_PICTURES,
            more={"q": _BOXES, "i": _i(0, 1)}, free={"w:0": 8, "v:1": 8}, pinned={"q:0": "boxes", "q:1": "boxes"}),
    picture("MaxRoiPool", "o = MaxRoiPool<pooled_shape=[2, 3]>(h, q)", inputs=_PICTURES, free={"w:0": 8, "v:1": 8},
            more={"q": f32([[0, 0, 0, 4, 4], [1, 1, 1, 5, 3]])}, pinned={"q:0": "boxes", "q:1": "boxes"}),
    picture("MaxUnpool", "p, i = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(h)\n"
            "o = MaxUnpool<kernel_shape=[2, 2], strides=[2, 2]>(p, i)",
            pinned={"w:0": "MaxPool returns positions in the whole tensor"}),
    picture("MaxUnpool", "o = MaxUnpool<kernel_shape=[2, 2], strides=[2, 2]>(h, i)", "given positions",
            inputs="float[2, 3, 3, 3] x", more={"i": _FOURTHS}, pinned={"w:0": "positions count through the whole"}),
    picture("Trilu", "o = Trilu(h)", "space"),
    tokens("Trilu", "o = Trilu<upper=0>(h)", "channels", pinned={"w:1": "the triangle counts along this axis"}),
    Case("ReverseSequence", "h = MatMul(x, w)\no = ReverseSequence<batch_axis=0, time_axis=1>(h, n)\n"
         "y = MatMul(o, v)", {"w": (6, 8), "v": (8, 5), "n": _i(2, 3)}, inputs="float[2, 3, 6] x",
         free={"w:1": 8, "v:0": 8}),
    tokens("CumProd", "o = CumProd(h, a)", "tokens", more={"a": i64(1)}, opset=26),
    tokens("CumProd", "o = CumProd(h, a)", "channels", more={"a": i64(2)}, opset=26,
           pinned={"w:1": "CumProd runs along this axis"}),
    Case("Det", "h = MatMul(x, w)\nt = Transpose<perm=[2, 0, 1]>(h)\nd = Det(t)\ny = MatMul(d, v)",
         {"w": (6, 8), "v": (8, 5)}, "stack", "float[4, 4, 6] x", free={"w:1": 8, "v:0": 8}),
    Case("Det", "h = MatMul(x, w)\ny = Det(h)", {"w": (6, 8)}, "matrix", "float[N, 8, 6] x",
         pinned={"w:1": "a matrix whose determinant is taken"}),
    tokens("DFT", "u = Unsqueeze(h, a)\nf = DFT<axis=1>(u)\no = ReduceSum<keepdims=0>(f, a)", "tokens", opset=17,
           more={"a": _i(-1)}),
    tokens("DFT", "u = Unsqueeze(h, a)\nf = DFT<axis=2>(u)\no = ReduceSum<keepdims=0>(f, a)", "channels", opset=17,
           more={"a": _i(-1)}, pinned={"w:1": "DFT runs over this axis"}),
    tokens("DFT", "u = Unsqueeze(h, a)\nf = DFT(u)\no = ReduceSum<keepdims=0>(f, a)", "tokens unnamed", opset=17,
           more={"a": _i(-1)}),
    tokens("DFT", "u = Unsqueeze(h, a)\nf = DFT(u)\no = ReduceSum<keepdims=0>(f, a)", "channels unnamed", opset=20,
           more={"a": _i(-1)}, pinned={"w:1": "DFT runs over this axis"}),
    tokens("DFT", "u = Unsqueeze(h, a)\nf = DFT(u, , b)\no = ReduceSum<keepdims=0>(f, a)", "tokens", opset=20,
           more={"a": _i(-1), "b": i64(1)}),
    Case("DFT", "h = MatMul(w, x)\nn = Shape(x)\ns = Gather(n, one)\nm = Mod(s, two)\nb = Add(m, one)\n"
         "f = DFT(h, , b)\ny = MatMul(v, f)", {"w": (8, 6), "v": (5, 8), "one": i64(1), "two": i64(2)},
         "tokens or channels", "float[N, S, 6, 2] x", opset=20,
         pinned={"w:0": "the transformed axis is computed at run time"}),
    picture("CenterCropPad", "o = CenterCropPad<axes=[2, 3]>(h, s)", more={"s": _i(4, 4)}),
    picture("CenterCropPad", "o = CenterCropPad<axes=[1]>(h, s)", "channels", more={"s": _i(4)}, out=4,
            pinned={"w:0": "this axis is cropped or padded"}),
    Case("Compress", "h = MatMul(x, w)\no = Compress<axis=1>(h, c)\ny = ReduceSum(o)", {"w": (6, 8),
         "c": np.array([True, False] * 4)}, pinned={"w:1": ""}),
    *(rows(op, f"k = {op}(h)\nf = Mul(k, zero)\no = Add(f, h)", more={"zero": f32([0])},
           pinned={"w:1": "random draws are counted through the whole tensor"})
      for op in ("RandomNormalLike", "RandomUniformLike")),
    rows("Bernoulli", "s = Sigmoid(h)\nk = Bernoulli(s)\nf = Mul(k, zero)\no = Add(f, h)",
         more={"zero": f32([0])}, pinned={"w:1": "random draws are counted through the whole tensor"}),
    Case("TensorScatter", "h = MatMul(x, w)\ng = MatMul(z, u)\no = TensorScatter(h, g, i)\ny = MatMul(o, v)",
         {"w": (6, 8), "u": (6, 8), "v": (8, 5), "i": _i(1, 0)}, "", "float[2, 4, 6] x, float[2, 2, 6] z", opset=24,
         free={"w:1": 8, "u:1": 8, "v:0": 8}),
    Case("Col2Im", "h = MatMul(w, x)\no = Col2Im(h, s, b)\ny = Conv(o, v)", {"w": (8, 6), "v": (5, 2, 1, 1),
         "s": _i(5, 4), "b": _i(2, 2)}, "", "float[N, 6, 12] x", free={"w:0": 8, "v:1": 2}),
    picture("DeformConv", "o = DeformConv(h, k, f, c, m)", opset=19, inputs=_PICTURES, out=7,
            more={"k": (7, 8, 3, 2), "f": (2, 12, 4, 5), "c": (7,), "m": (2, 6, 4, 5)},
            free={"w:0": 8, "k:0": 7, "k:1": 8, "c:0": 7, "v:1": 7},
            pinned={f"{n}:{axis}": "offsets of a deformable convolution" for n in "fm" for axis in range(4)}),
    picture("DeformConv", "o = DeformConv<group=2>(h, k, f)", "grouped", opset=19, inputs=_PICTURES, out=6,
            more={"k": (6, 4, 3, 3), "f": (2, 18, 4, 4)},
            pinned=dict.fromkeys(("w:0", "k:0", "k:1"), "deformable convolution in groups")),
    Case("CausalConvWithState", "h = MatMul(w, x)\no, t = CausalConvWithState(h, k, c)\ny = MatMul(v, o)",
         {"w": (8, 6), "k": (8, 1, 3), "c": (8,), "v": (5, 8)}, "", "float[N, 6, T] x", opset=27,
         free={"w:0": 8, "k:0": 8, "c:0": 8, "v:1": 8}, pinned={"k:2": _SLIDES}),
    Case("CausalConvWithState", "h = MatMul(w, x)\ns = MatMul(u, z)\no, t = CausalConvWithState(h, k, , s)\n"
         "y = MatMul(v, o)\ny2 = MatMul(q, t)", {"w": (8, 6), "u": (8, 6), "k": (8, 1, 3), "v": (5, 8), "q": (4, 8)},
         "state", "float[N, 6, T] x, float[N, 6, 2] z", "float y, float y2", opset=27,
         free={"w:0": 8, "u:0": 8, "k:0": 8, "v:1": 8, "q:1": 8}),
    Case("CausalConvWithState", "h = MatMul(w, x)\no, t = CausalConvWithState(h, k, , s)\ny = MatMul(v, o)",
         {"w": (8, 6), "k": (8, 1, 4), "s": (2, 8, 3), "v": (5, 8)}, "constant state", "float[2, 6, T] x", opset=27,
         free={"w:0": 8, "s:1": 8, "v:1": 8}, pinned={"s:0": "joined", "s:2": _SLIDES}),
    rows("BitCast", "i = BitCast<to=6>(h)\no = BitCast<to=1>(i)", opset=26),
]  # fmt: skip
