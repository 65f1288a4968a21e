"""Cases: convolutions, products, normalisations, recurrent layers, reductions and pools."""

from __future__ import annotations

import numpy as np

from tests.passes.graphs import Weights, i64
from tests.passes.op_case import Case, picture, rows, tokens


def _i(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


_CONV = [
    picture("Conv", "o = Conv<pads=[1, 1, 1, 1]>(h, k, c)", "3x3", more={"k": (7, 8, 3, 3), "c": (7,)}, out=7,
            free={"w:0": 8, "k:0": 7, "k:1": 8, "c:0": 7, "v:1": 7},
            ) ,
    picture("Conv", "o = Conv<pads=[1, 1, 1, 1], group=8>(h, k, c)", "depthwise", more={"k": (8, 1, 3, 3), "c": (8,)},
            free={"w:0": 8, "k:0": 8, "c:0": 8, "v:1": 8}),
    picture("Conv", "o = Conv<group=8>(h, k)", "depthwise times two", more={"k": (16, 1, 1, 1)}, out=16,
            free={"w:0": 8, "k:0": 16, "v:1": 16}),
    picture("Conv", "o = Conv<group=4>(h, k, c)", "grouped", more={"k": (12, 2, 1, 1), "c": (12,)}, out=12,
            free={"w:0": 8, "k:0": 12, "k:1": 2, "c:0": 12, "v:1": 12}),
    Case("Conv", "h = Conv(x, w)\no = Relu(h)\ny = Conv(o, v)", {"w": (8, 3, 3), "v": (5, 8, 1)}, "1-D",
         "float[N, 3, T] x", free={"w:0": 8, "v:1": 8}, pinned={"w:2": "a convolution slides over this axis"}),
    picture("ConvTranspose", "o = ConvTranspose<strides=[2, 2]>(h, k, c)", more={"k": (8, 7, 2, 2), "c": (7,)}, out=7,
            free={"w:0": 8, "k:0": 8, "k:1": 7, "c:0": 7, "v:1": 7}),
    picture("ConvTranspose", "o = ConvTranspose<strides=[2, 2], group=4>(h, k, c)", "grouped",
            more={"k": (8, 3, 2, 2), "c": (12,)}, out=12, free={"w:0": 8, "k:0": 8, "k:1": 3, "v:1": 12}),
    picture("ConvTranspose", "o = ConvTranspose<group=8>(h, k)", "depthwise", more={"k": (8, 1, 2, 2)},
            free={"w:0": 8, "k:0": 8, "v:1": 8}),
]  # fmt: skip

_PRODUCT = [
    tokens("MatMul", "o = MatMul(h, k)", more={"k": (8, 7)}, out=7, free={"w:1": 8, "k:0": 8, "k:1": 7, "v:0": 7}),
    tokens("MatMul", "q = MatMul(x, u)\nt = Transpose<perm=[0, 2, 1]>(q)\nk = MatMul(h, t)\no = MatMul(k, h)",
           "attention", more={"u": (6, 8)}, free={"w:1": 8, "u:1": 8, "v:0": 8}),
    Case("MatMul", "h = MatMul(x, w)\no = Relu(h)\ny = MatMul(o, v)", {"w": (6, 8), "v": (8,)}, "vector",
         "float[N, 6] x", free={"w:1": 8, "v:0": 8}),
    rows("Gemm", "o = Gemm<alpha=0.5>(h, k, c)", more={"k": (8, 7), "c": (7,)}, out=7,
         free={"w:1": 8, "k:0": 8, "k:1": 7, "c:0": 7}),
    rows("Gemm", "t = Transpose(h)\no = Gemm<transA=1, transB=1>(t, k, c)", "transposed",
         more={"k": (7, 8), "c": (1, 7)}, out=7, free={"w:1": 8, "k:0": 7, "k:1": 8, "c:1": 7}),
    rows("Gemm", "o = Gemm(h, k)", "no bias", more={"k": (8, 7)}, out=7, free={"k:0": 8, "k:1": 7}),
    tokens("Einsum", 'o = Einsum<equation="bsi,io->bso">(h, k)', more={"k": (8, 7)}, out=7,
           free={"w:1": 8, "k:0": 8, "k:1": 7, "v:0": 7}),
    tokens("Einsum", 'q = MatMul(x, u)\nk = Einsum<equation="b s c, b t c -> b s t">(q, h)\n'
           'o = Einsum<equation="bst,btc->bsc">(k, h)', "attention", more={"u": (6, 8)}, free={"w:1": 8, "u:1": 8}),
    tokens("Einsum", 'o = Einsum<equation="...i,io->...o">(h, k)', "ellipsis", more={"k": (8, 8)},
           pinned={"w:1": "an Einsum with an ellipsis"}),
]  # fmt: skip

_V8: Weights = {"g": (8,), "b1": (8,), "m": (8,), "s": np.linspace(0.5, 2, 8, dtype=np.float32)}
_NORM = [
    picture("BatchNormalization", "o = BatchNormalization(h, g, b1, m, s)", more=_V8, opset=opset,
            free={"w:0": 8, "g:0": 8, "b1:0": 8, "m:0": 8, "s:0": 8, "v:1": 8}) for opset in (9, 15)
] + [
    rows("BatchNormalization", "o = BatchNormalization(h, g, b1, m, s)", "after a product", more=_V8),
    tokens("LayerNormalization", "o = LayerNormalization(h, g, b1)", more={"g": (8,), "b1": (8,)},
           free={"w:1": 8, "g:0": 8, "b1:0": 8, "v:0": 8}),
    tokens("LayerNormalization", "o = LayerNormalization<axis=2>(h, g)", "no bias", more={"g": (8,)}),
    tokens("LayerNormalization", "o, u, i = LayerNormalization(h, g)", "statistics", more={"g": (8,)}),
    picture("LayerNormalization", "o = LayerNormalization<axis=1>(h, g)", "whole picture", more={"g": (8, 6, 6)},
            free={"w:0": 8, "g:0": 8}),
    tokens("RMSNormalization", "o = RMSNormalization(h, g)", more={"g": (8,)}, opset=23, free={"w:1": 8, "g:0": 8}),
    picture("InstanceNormalization", "o = InstanceNormalization(h, g, b1)", more={"g": (8,), "b1": (8,)},
            free={"w:0": 8, "g:0": 8, "b1:0": 8, "v:1": 8}),
    picture("GroupNormalization", "o = GroupNormalization<num_groups=4>(h, g, b1)", opset=21,
            more={"g": (8,), "b1": (8,)}, free={"w:0": 8, "g:0": 8, "v:1": 8}),
    picture("GroupNormalization", "o = GroupNormalization<num_groups=1>(h, g, b1)", "one group", opset=21,
            more={"g": (8,), "b1": (8,)}, pinned={"w:0": "the channels of a group are normalised together"}),
    rows("LpNormalization", "o = LpNormalization(h)", pinned={"w:1": "this axis is normalised over"}),
    picture("LpNormalization", "o = LpNormalization<axis=2>(h)", "space"),
    picture("MeanVarianceNormalization", "o = MeanVarianceNormalization(h)", opset=13),
    picture("MeanVarianceNormalization", "o = MeanVarianceNormalization<axes=[1, 2, 3]>(h)", "channels",
            pinned={"w:0": "this axis is normalised over"}),
    picture("LRN", "o = LRN<size=3>(h)", pinned={"w:0": "LRN sums neighbouring channels"}),
    tokens("CumSum", "o = CumSum(h, a)", "tokens", more={"a": i64(1)}),
    tokens("CumSum", "o = CumSum(h, a)", "channels", more={"a": i64(-1)},
           pinned={"w:1": "CumSum runs along this axis"}),
    *(tokens(op, f"t = Transpose<perm=[0, 2, 1]>(h)\np = {op}<axis=2>(t)\no = Transpose<perm=[0, 2, 1]>(p)", "tokens",
             opset=opset) for op in ("Softmax", "LogSoftmax", "Hardmax") for opset in (11, 13)),
    *(tokens(op, f"o = {op}(h)", "default axis", opset=opset, pinned={"w:1": f"{op} runs over this axis"})
      for op in ("Softmax", "LogSoftmax", "Hardmax") for opset in (11, 13)),
    tokens("Softmax", "o = Softmax<axis=1>(h)", "axis and all after it", opset=11,
           pinned={"w:1": "Softmax runs over this axis"}),
    tokens("Softmax", "o = Softmax<axis=1>(h)", "axis alone", opset=13),
]  # fmt: skip


def _recurrent(op: str, gates: int, note: str = "", *, directions: int = 1, line: str = "",
               more: Weights | None = None) -> Case:  # fmt: skip
    """Tokens -> embedding [S, N, 8] -> a recurrent layer of 5 -> Y [S, D, N, 5] -> MatMul."""
    way = ', direction="bidirectional"' if directions == 2 else ""
    call = line or f"Y, Z = {op}<hidden_size=5{way}>(h, W, R, B)"
    weights = {
        "w": (6, 8),
        "v": (5, 4),
        "W": (directions, gates * 5, 8),
        "R": (directions, gates * 5, 5),
        "B": (directions, 2 * gates * 5),
        **(more or {}),
    }
    free = {"w:1": 8, "W:2": 8, "W:1": gates * 5, "R:1": gates * 5, "R:2": 5, "B:1": 2 * gates * 5, "v:0": 5}
    return Case(op, f"h = MatMul(x, w)\n{call}\ny = MatMul(Y, v)", weights, note, "float[S, N, 6] x", free=free)


_RECURRENT = [
    _recurrent("LSTM", 4), _recurrent("GRU", 3), _recurrent("RNN", 1),
    _recurrent("LSTM", 4, note="both ways", directions=2), _recurrent("GRU", 3, note="both ways", directions=2),
    _recurrent("GRU", 3, note="reset after", line="Y = GRU<hidden_size=5, linear_before_reset=1>(h, W, R, B)"),
    _recurrent("LSTM", 4, note="states and peepholes", line="Y, Z, C = LSTM<hidden_size=5>(h, W, R, B, , i, c, P)",
               more={"i": (1, 2, 5), "c": (1, 2, 5), "P": (1, 15)}),
]  # fmt: skip
_RECURRENT[-1] = Case(**{**vars(_RECURRENT[-1]), "inputs": "float[S, 2, 6] x"})

_SUMS = ("ReduceSum", "ReduceL1", "ReduceL2", "ReduceSumSquare")
_EXTREMES = ("ReduceMax", "ReduceMin", "ReduceProd", "ReduceLogSum", "ReduceLogSumExp")


def _reduced() -> list[Case]:
    cases = []
    for op in (*_SUMS, "ReduceMean", *_EXTREMES):
        axes = {"a": _i(1)}
        old = 11 if op == "ReduceSum" else 13
        cases += [
            tokens(op, f"p = Exp(h)\no = {op}<axes=[1], keepdims=0>(p)", "tokens", opset=old),
            tokens(op, f"p = Exp(h)\no = {op}(p, a)", "tokens", opset=18, more=axes),
        ]
        soft = {"w:1": 8}
        line = f"p = Exp(h)\nr = {op}(p, a)\no = Mul(h, r)"
        if op in _EXTREMES:
            cases.append(tokens(op, line, "channels", more={"a": _i(-1)}, pinned={"w:1": f"{op} runs over this axis"}))
        else:
            cases.append(tokens(op, line, "channels", more={"a": _i(-1)}, free=soft))
            cases.append(tokens(op, f"r = {op}(h)\no = Mul(h, r)", "everything", free=soft))
    cases.append(tokens("ReduceSum", "s = ReduceSum<noop_with_empty_axes=1>(h)\no = Mul(h, s)", "no-op", opset=13))
    return cases


_PICKS = [
    tokens("ArgMax", "i = ArgMax<axis=1>(h)\nf = Cast<to=1>(i)\no = Add(f, h)", "tokens"),
    tokens("ArgMin", "i = ArgMin<axis=1, keepdims=0>(h)\no = Cast<to=1>(i)", "tokens"),
    *(tokens(op, f"i = {op}<axis=-1>(h)\nf = Cast<to=1>(i)\no = Add(f, h)", "channels",
             pinned={"w:1": f"{op} returns positions along this axis"}) for op in ("ArgMax", "ArgMin")),
    tokens("TopK", "t, i = TopK<axis=1>(h, k)\nf = Cast<to=1>(i)\no = Add(t, f)", "tokens", more={"k": _i(2)}),
    tokens("TopK", "o, i = TopK(h, k)", "channels", more={"k": _i(3)}, out=3, pinned={"w:1": "TopK sorts this axis"}),
    *(picture(op, f"o = {op}(h)") for op in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")),
    *(picture(op, f"o = {op}<kernel_shape=[2, 2], strides=[2, 2]>(h)") for op in ("AveragePool", "MaxPool", "LpPool")),
    picture("MaxPool", "o, i = MaxPool<kernel_shape=[2, 2]>(h)\n", "indices",
            pinned={"w:0": "MaxPool returns positions in the whole tensor"}),
]  # fmt: skip

CASES = [*_CONV, *_PRODUCT, *_NORM, *_RECURRENT, *_reduced(), *_PICKS]
