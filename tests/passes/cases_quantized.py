"""Cases: quantised ops, whose scales and zero points per channel follow their axis."""

from __future__ import annotations

import numpy as np

from tests.passes.graphs import Weights, f32, u8
from tests.passes.op_case import Case, picture, rows, tokens

_RNG = np.random.default_rng(7)


def _i8(*shape: int) -> np.ndarray:
    return _RNG.integers(-50, 50, shape).astype(np.int8)


def _u8(*shape: int) -> np.ndarray:
    return _RNG.integers(0, 100, shape).astype(np.uint8)


def _scales(count: int) -> np.ndarray:
    return np.linspace(0.01, 0.03, count, dtype=np.float32)


_ONE: Weights = {"s": f32(0.05), "z": u8(128)}
_QDQ = "q = QuantizeLinear(h, s, z)\no = DequantizeLinear(q, s, z)"
_CHANNEL: Weights = {"s": _scales(8), "z": np.arange(120, 128, dtype=np.uint8)}

_LINEAR = [
    rows("QuantizeLinear", _QDQ, "tensor", more=_ONE, opset=13),
    rows("DequantizeLinear", _QDQ, "tensor", more=_ONE, opset=13),
    picture("QuantizeLinear", _QDQ, "channel", more=_CHANNEL, opset=13, free={"w:0": 8, "s:0": 8, "z:0": 8, "v:1": 8}),
    picture("DequantizeLinear", "d = DequantizeLinear<axis=0>(k, s, z)\no = Conv(h, d)", "weight", opset=13, out=7,
            more={"k": _i8(7, 8, 1, 1), "s": _scales(7), "z": np.zeros(7, np.int8)},
            free={"w:0": 8, "k:0": 7, "k:1": 8, "s:0": 7, "z:0": 7, "v:1": 7}),
    rows("DequantizeLinear", "d = DequantizeLinear<axis=0, block_size=4>(k, s)\no = MatMul(h, d)", "blocks", opset=21,
         more={"k": _i8(8, 8), "s": np.abs(_RNG.standard_normal((2, 8))).astype(np.float32)},
         free={"k:1": 8, "s:1": 8, "v:0": 8},
         pinned={"w:1": "joined with", "k:0": "blocks of this axis share a scale"}),
    rows("DynamicQuantizeLinear", "q, s, z = DynamicQuantizeLinear(h)\no = DequantizeLinear(q, s, z)",
         pinned={"w:1": "the scale is taken over all values"}),
]  # fmt: skip

_POINTS: Weights = {"xs": f32(0.05), "xz": u8(120), "ys": f32(0.2), "yz": u8(110)}
_FREE = {"w:0": 8, "k:0": 8, "k:1": 8, "ks:0": 8, "kz:0": 8, "c:0": 8, "v:1": 8}
_PRODUCTS = [
    picture("QLinearConv", "q = QuantizeLinear(h, xs, xz)\n"
            "p = QLinearConv<pads=[1, 1, 1, 1]>(q, xs, xz, k, ks, kz, ys, yz, c)\no = DequantizeLinear(p, ys, yz)",
            more={**_POINTS, "k": _i8(8, 8, 3, 3), "ks": _scales(8), "kz": np.zeros(8, np.int8),
                  "c": np.arange(8, dtype=np.int32)}, free=_FREE),
    picture("QLinearConv", "q = QuantizeLinear(h, xs, xz)\n"
            "p = QLinearConv<group=8>(q, xs, xz, k, ks, kz, ys, yz)\no = DequantizeLinear(p, ys, yz)", "depthwise",
            more={**_POINTS, "k": _i8(8, 1, 1, 1), "ks": _scales(8), "kz": np.zeros(8, np.int8)}),
    picture("ConvInteger", "q = QuantizeLinear(h, xs, xz)\np = ConvInteger(q, k, xz, kz)\no = Cast<to=1>(p)",
            more={"xs": f32(0.05), "xz": u8(120), "k": _u8(8, 8, 1, 1), "kz": u8(9)},
            free={"w:0": 8, "k:0": 8, "k:1": 8, "v:1": 8}),
    picture("ConvInteger", "q = QuantizeLinear(h, xs, xz)\np = ConvInteger<group=4>(q, k, xz)\no = Cast<to=1>(p)",
            "grouped", out=12, more={"xs": f32(0.05), "xz": u8(120), "k": _u8(12, 2, 1, 1)},
            free={"w:0": 8, "k:0": 12, "k:1": 2, "v:1": 12}),
    rows("QLinearMatMul", "q = QuantizeLinear(h, xs, xz)\np = QLinearMatMul(q, xs, xz, k, ks, kz, ys, yz)\n"
         "o = DequantizeLinear(p, ys, yz)", more={**_POINTS, "k": _u8(8, 8), "ks": f32(0.01), "kz": u8(9)},
         free={"w:1": 8, "k:0": 8, "k:1": 8, "v:0": 8}),
    rows("QLinearMatMul", "q = QuantizeLinear(h, xs, xz)\np = QLinearMatMul(q, xs, xz, k, ks, kz, ys, yz)\n"
         "o = DequantizeLinear(p, ys, yz)", "per column",
         more={**_POINTS, "k": _i8(8, 8), "ks": _scales(8), "kz": np.zeros(8, np.int8)},
         free={"w:1": 8, "k:0": 8, "k:1": 8, "ks:0": 8, "kz:0": 8, "v:0": 8}),
    tokens("MatMulInteger", "q = QuantizeLinear(h, xs, xz)\np = MatMulInteger(q, k, xz, kz)\no = Cast<to=1>(p)",
           more={"xs": f32(0.05), "xz": u8(120), "k": _u8(8, 8), "kz": _u8(8)},
           free={"w:1": 8, "k:0": 8, "k:1": 8, "kz:0": 8, "v:0": 8}),
]  # fmt: skip

CASES: list[Case] = [*_LINEAR, *_PRODUCTS]
