"""Cases: com.microsoft's quantised ops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.passes.graphs import Weights, f32, u8
from tests.passes.op_case import Case, picture, rows, tokens

_MS = "com.microsoft::"
_RNG = np.random.default_rng(23)
_IN = "q = QuantizeLinear(h, xs, xz)\n"
_OUT = "\no = DequantizeLinear(p, ys, yz)"
_POINTS: Weights = {"xs": f32(0.05), "xz": u8(120), "ys": f32(0.1), "yz": u8(110)}


def _of_ms(case: Case) -> Case:
    return replace(case, domains=("com.microsoft",))


def _u8(*shape: int) -> np.ndarray:
    return _RNG.integers(60, 180, shape).astype(np.uint8)


def _line(call: str) -> str:
    return f"{_IN}p = com.microsoft.{call}{_OUT}"


def _rows(op: str, call: str, note: str = "", more: Weights | None = None, **rest: object) -> Case:
    return _of_ms(rows(_MS + op, _line(call), note, more={**_POINTS, **(more or {})}, **rest))  # type: ignore[arg-type]


def _picture(op: str, call: str, note: str = "", **rest: object) -> Case:
    return _of_ms(picture(_MS + op, _line(call), note, more=_POINTS, **rest))  # type: ignore[arg-type]


_PAIRS = [
    case
    for op in ("QLinearAdd", "QLinearMul")
    for case in (
        _rows(op, f"{op}(q, xs, xz, k, xs, xz, ys, yz)", "stored operand", {"k": _u8(8)},
              free={"w:1": 8, "k:0": 8, "v:0": 8}),
        _rows(op, f"{op}(k, xs, xz, q, xs, xz, ys, yz)", "stored operand in front", {"k": _u8(1, 8)},
              free={"w:1": 8, "k:1": 8, "v:0": 8}),
        _rows(op, f"{op}(q, xs, xz, k, xs, xz, ys, yz)", "one number", {"k": _u8(1)}),
        _of_ms(rows(_MS + op, f"{_IN}g = MatMul(x, u)\nr = QuantizeLinear(g, ys, yz)\n"
                    f"p = com.microsoft.{op}(q, xs, xz, r, ys, yz, ys, yz){_OUT}", "two branches",
                    more={**_POINTS, "u": (6, 8)}, free={"w:1": 8, "u:1": 8, "v:0": 8})),
    )
]  # fmt: skip

_MORE = [
    _of_ms(rows(_MS + "QLinearWhere", f"{_IN}g = MatMul(x, u)\nc = Greater(g, zero)\n"
                f"p = com.microsoft.QLinearWhere(c, q, xs, xz, k, xs, xz, ys, yz){_OUT}",
                more={**_POINTS, "u": (6, 8), "k": _u8(8), "zero": f32(0.0)},
                free={"w:1": 8, "u:1": 8, "k:0": 8, "v:0": 8})),
    _rows("QLinearSigmoid", "QLinearSigmoid(q, xs, xz, ys, yz)"),
    _rows("QLinearLeakyRelu", "QLinearLeakyRelu<alpha=0.1>(q, xs, xz, ys, yz)"),
    Case(_MS + "QLinearConcat", f"h = MatMul(x, w)\n{_line('QLinearConcat<axis=1>(ys, yz, q, xs, xz, k, xs, xz)')}\n"
         "y = MatMul(o, v)", {"w": (6, 8), "v": (11, 5), **_POINTS, "k": _u8(4, 3)}, "stored part", "float[4, 6] x",
         domains=("com.microsoft",), free={"w:1": 8, "k:1": 3, "v:0": 11}),
    _of_ms(tokens(_MS + "QLinearConcat", _line("QLinearConcat<axis=-1>(ys, yz, q, xs, xz, q, xs, xz)"), "twice",
                  more=_POINTS, out=16, free={"w:1": 8, "v:0": 16})),
    _of_ms(tokens(_MS + "QLinearConcat", f"{_IN}g = MatMul(x, u)\nr = QuantizeLinear(g, ys, yz)\n"
                  f"p = com.microsoft.QLinearConcat<axis=1>(ys, yz, q, xs, xz, r, ys, yz){_OUT}", "more tokens",
                  more={**_POINTS, "u": (6, 8)}, free={"w:1": 8, "u:1": 8, "v:0": 8})),
    _rows("QLinearSoftmax", "QLinearSoftmax<axis=-1, opset=13>(q, xs, xz, ys, yz)", "last axis",
          pinned={"w:1": "a softmax runs over this axis"}),
    _of_ms(tokens(_MS + "QLinearSoftmax", _line("QLinearSoftmax<axis=1, opset=13>(q, xs, xz, ys, yz)"), "tokens",
                  more=_POINTS)),
    _of_ms(tokens(_MS + "QLinearSoftmax", _line("QLinearSoftmax<axis=1, opset=12>(q, xs, xz, ys, yz)"), "flattened",
                  more=_POINTS, pinned={"w:1": "a softmax runs over this axis"})),
]  # fmt: skip

_POOL = "com.microsoft.QLinear{}AveragePool<channels_last=1{}>"
_LAST = ("t = Transpose<perm=[0, 2, 3, 1]>(h)\nq = QuantizeLinear(t, xs, xz)\np = {}(q, xs, xz, ys, yz)\n"
         "d = DequantizeLinear(p, ys, yz)\no = Transpose<perm=[0, 3, 1, 2]>(d)")  # fmt: skip
_WINDOWS = {
    "window": "kernel_shape=[2, 2]",
    "strides and pads": "kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1]",
    "same": 'kernel_shape=[3, 3], strides=[4, 1], auto_pad="SAME_UPPER"',
    "valid": 'kernel_shape=[3, 3], strides=[2, 2], auto_pad="VALID"',
}
_POOLS = [
    _picture("QLinearGlobalAveragePool", "QLinearGlobalAveragePool(q, xs, xz, ys, yz)"),
    *(_picture("QLinearAveragePool", f"QLinearAveragePool<{window}>(q, xs, xz, ys, yz)", note)
      for note, window in _WINDOWS.items()),
    _of_ms(picture(_MS + "QLinearGlobalAveragePool", _LAST.format(_POOL.format("Global", "")), "channels last",
                   more=_POINTS)),
    _of_ms(picture(_MS + "QLinearAveragePool", _LAST.format(_POOL.format("", ", kernel_shape=[3, 2], strides=[2, 1]")),
                   "channels last", more=_POINTS)),
    _of_ms(picture(_MS + "QLinearAveragePool", "g = MatMul(h, m)\nq = QuantizeLinear(g, xs, xz)\n"
                   f"p = com.microsoft.QLinearAveragePool<kernel_shape=[2, 2]>(q, xs, xz, ys, yz){_OUT}",
                   "mixed columns", more={**_POINTS, "m": (6, 6)}, free={"w:0": 8, "v:1": 8},
                   pinned={"m:1": "a pool slides over this axis"})),
    _picture("QLinearAveragePool", "QLinearAveragePool<kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1>"
             "(q, xs, xz, ys, yz)", "rounded up", pinned={"w:0": "shapes are not known before run time"}),
]  # fmt: skip

CASES: list[Case] = [*_PAIRS, *_MORE, *_POOLS]
