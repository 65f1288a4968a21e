"""Cases: ops that work on positions. Channels pass, positions stay."""

from __future__ import annotations

import numpy as np

from tests.passes.graphs import f32, i64
from tests.passes.op_case import Case, picture, rows, tokens


def _i(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


_GRID = np.random.default_rng(3).uniform(-1, 1, (2, 4, 4, 2)).astype(np.float32)
_BOXES = f32([[0, 0, 4, 4], [1, 1, 5, 3]])
_PICTURES = "float[2, 3, 6, 6] x"

CASES = [
    picture("GridSample", "o = GridSample(h, q)", inputs=_PICTURES, opset=20, more={"q": _GRID}),
    picture("RoiAlign", "o = RoiAlign<output_height=2, output_width=2>(h, q, i)", inputs=_PICTURES,
            more={"q": _BOXES, "i": _i(0, 1)}),
    picture("MaxRoiPool", "o = MaxRoiPool<pooled_shape=[2, 2]>(h, q)", inputs=_PICTURES,
            more={"q": f32([[0, 0, 0, 4, 4], [1, 1, 1, 5, 3]])}),
    picture("MaxUnpool", "p, i = MaxPool<kernel_shape=[2, 2], strides=[2, 2]>(h)\n"
            "o = MaxUnpool<kernel_shape=[2, 2], strides=[2, 2]>(p, i)",
            pinned={"w:0": "MaxPool returns positions in the whole tensor"}),
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
         "s": _i(4, 4), "b": _i(2, 2)}, "", "float[N, 6, 9] x", free={"w:0": 8, "v:1": 2}),
    picture("DeformConv", "o = DeformConv(h, k, f, c)", opset=19, inputs=_PICTURES, out=7,
            more={"k": (7, 8, 3, 3), "f": (2, 18, 4, 4), "c": (7,)},
            free={"w:0": 8, "k:0": 7, "k:1": 8, "c:0": 7, "v:1": 7}),
    picture("DeformConv", "o = DeformConv<group=2>(h, k, f)", "grouped", opset=19, inputs=_PICTURES, out=6,
            more={"k": (6, 4, 3, 3), "f": (2, 18, 4, 4)},
            pinned={"w:0": "deformable convolution in groups", "k:0": "deformable convolution in groups"}),
    Case("CausalConvWithState", "h = MatMul(w, x)\no, t = CausalConvWithState(h, k, c)\ny = MatMul(v, o)",
         {"w": (8, 6), "k": (8, 1, 3), "c": (8,), "v": (5, 8)}, "", "float[N, 6, T] x", opset=27,
         free={"w:0": 8, "k:0": 8, "c:0": 8, "v:1": 8}),
    rows("BitCast", "i = BitCast<to=6>(h)\no = BitCast<to=1>(i)", opset=26),
]  # fmt: skip
