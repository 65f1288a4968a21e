"""Cases: forms of common ops that few files have, and in which a rule that guesses goes wrong."""

from __future__ import annotations

import numpy as np

from tests.passes.graphs import Weights, f32, i64, u8
from tests.passes.op_case import Case, picture

_ENDS: Weights = {"w": (6, 8), "v": (8, 5)}
_BATCH = "n = Shape(x)\nb = Slice(n, z, one)\n"
_AT: Weights = {"z": i64([0]), "one": i64([1])}


def _ends(op: str, line: str, note: str, *, inputs: str = "float[N, 6] x", opset: int = 18, more: Weights | None = None,
          free: dict[str, int] | None = None, pinned: dict[str, str] | None = None) -> Case:  # fmt: skip
    default = {} if pinned else {"w:1": 8, "v:0": 8}
    return Case(op, f"h = MatMul(x, w)\n{line}\ny = MatMul(o, v)", {**_ENDS, **(more or {})}, note, inputs,
                opset=opset, free=default if free is None else free, pinned=pinned or {})  # fmt: skip


# Sizes that hang on the batch: the rule knows them at both probes, and they differ.
_RUN_TIME = [
    _ends("ReduceMax", f"{_BATCH}a = Mod(b, two)\nr = ReduceMax(h, a)\no = Add(r, h)", "axes that hang on the batch",
          more={**_AT, "two": i64([2])}, pinned={"w:1": "the reduced axes are computed at run time"}),
    _ends("ReduceSum", f"{_BATCH}a = Mod(b, two)\nr = ReduceSum(h, a)\no = Add(r, h)", "axes that hang on the batch",
          more={**_AT, "two": i64([2])}, pinned={"w:1": "the reduced axes are computed at run time"}),
    _ends("Tile", f"{_BATCH}k = Concat<axis=0>(b, one)\no = Tile(h, k)", "copies of rows", more=_AT),
    _ends("Tile", f"{_BATCH}k = Concat<axis=0>(b, two)\nt = Tile(h, k)\no = Slice(t, z, w8, one)", "twice the channels",
          more={**_AT, "two": i64([2]), "w8": i64([8])}),
    _ends("Tile", f"{_BATCH}k = Concat<axis=0>(one, b)\nt = Tile(h, k)\nu = ReduceMax(t, one)\no = Add(u, h)",
          "copies of channels", more=_AT, pinned={"w:1": "the number of copies is computed at run time"}),
    _ends("Tile", f"{_BATCH}k = Concat<axis=0>(b, w8)\nt = Tile(c, k)\no = Add(h, t)", "of one, and of rows",
          more={**_AT, "w8": i64([8]), "c": np.full((1, 1), 0.5, np.float32)},
          pinned={"w:1": "joined with an axis that is fixed"}),
]  # fmt: skip

_SHAPES = [
    _ends("Squeeze", "o = Squeeze(h)", "all ones, as an attribute left out", inputs="float[4, 1, 6] x", opset=11),
    _ends("Reshape", f"{_BATCH}k = Concat<axis=0>(b, heads)\ns = Reshape<allowzero=1>(h, k)\nt = Relu(s)\n"
          "o = Reshape<allowzero=1>(t, back)", "zero means zero",
          more={**_AT, "heads": i64([2, 4]), "back": i64([-1, 8])}),
    _ends("Reshape", "t = Transpose<perm=[1, 0]>(h)\nf = Reshape(t, all)\no = Reshape(f, back)", "other rows",
          more={"all": i64([-1]), "back": i64([-1, 8])}, pinned={"w:1": "the reshape cuts across channels"}),
    _ends("Reshape", "s = Reshape(h, heads)\nf = Reshape(s, all)\nt = Reshape(f, heads)\no = Reshape(t, back)",
          "three axes in one", more={"heads": i64([-1, 2, 4]), "all": i64([-1]), "back": i64([-1, 8])}),
    _ends("Slice", "e = Slice(h, s0, s8, one, two)\nd = Slice(h, one, s8, one, two)\no = Concat<axis=1>(e, d)",
          "every other", free={"w:1": 24, "v:0": 24},
          more={"s0": i64([0]), "s8": i64([24]), "one": i64([1]), "two": i64([2]), "w": (6, 24), "v": (24, 5)}),
    _ends("Slice", "e = Slice(h, s7, s0, one, back)\nd = Relu(h)\no = Concat<axis=1>(e, d)", "seven, backwards",
          more={"s7": i64([7]), "s0": i64([0]), "one": i64([1]), "back": i64([-2]), "v": (12, 5)},
          free={"w:1": 8, "v:0": 12}),
]  # fmt: skip

_NORMS = [
    Case("BatchNormalization", "h = MatMul(x, w)\no = BatchNormalization(h, s, b, m, d)\ny = MatMul(o, v)",
         {**_ENDS, **dict.fromkeys("sbm", (1,)), "d": np.full(1, 0.7, np.float32)}, "one channel", "float[6] x",
         free={"w:1": 8, "v:0": 8}),
    picture("GroupNormalization", "o = GroupNormalization<num_groups=8>(h, s, b)", "a group for each", opset=21,
            more={"s": (8,), "b": (8,)}, free={"w:0": 8, "s:0": 8, "v:1": 8}),
    picture("MaxPool", "o = MaxPool<kernel_shape=[2, 2]>(h)", "values only"),
    picture("MaxPool", "o, i = MaxPool<kernel_shape=[2, 2]>(h)\nf = Cast<to=1>(i)\ng = ReduceSum(f)\nu = Mul(o, g)\n"
            "q = Identity(u)", "positions too", pinned={"w:0": "MaxPool returns positions"}),
]  # fmt: skip

_POINTS: Weights = {
    "xs": f32(0.05), "xz": u8(120), "ys": f32(0.2), "yz": u8(110), "ks": f32(0.02), "kz": u8(9),
}  # fmt: skip
_RNG = np.random.default_rng(17)
_QUANTISE = "q = QuantizeLinear(h, xs, xz)\n"


def _u8(*shape: int) -> np.ndarray:
    return _RNG.integers(0, 100, shape).astype(np.uint8)


def _only(*names: str) -> Weights:
    return {name: _POINTS[name] for name in names}


_QUANTISED = [
    # ONNX Runtime's CPU kernels take one zero point a matrix here; the op's definition takes one a row or channel.
    Case("ConvInteger", f"h = Conv(x, w)\n{_QUANTISE}p = ConvInteger(q, k, xz, kz)\no = Cast<to=1>(p)\ny = Conv(o, v)",
         {"w": (8, 3, 1, 1), "v": (5, 7, 1, 1), **_only("xs", "xz"), "k": _u8(7, 8, 1, 1), "kz": _u8(7)},
         "zero point per channel", "float[N, 3, 6, 6] x", free={"w:0": 8, "k:0": 7, "k:1": 8, "kz:0": 7, "v:1": 7},
         tied={"kz:0": "k:0"}, kernel=False),
    Case("QLinearMatMul", "h = MatMul(x, w)\nt = Transpose(h)\nq = QuantizeLinear<axis=0>(t, as, az)\n"
         "p = QLinearMatMul(q, as, az, k, ks, kz, ys, yz)\no = DequantizeLinear(p, ys, yz)\ny = MatMul(v, o)",
         {"w": (6, 8), "v": (5, 8), **_only("ks", "kz", "ys", "yz"), "as": np.linspace(0.02, 0.05, 8, dtype=np.float32),
          "az": _u8(8), "k": _u8(4, 3)}, "per row", "float[4, 6] x",
         free={"w:1": 8, "as:0": 8, "az:0": 8, "v:1": 8},
         tied={"as:0": "w:1", "az:0": "w:1"}, kernel=False),
    Case("QLinearMatMul", "h = MatMul(x, w)\nt = Transpose<perm=[0, 2, 1]>(h)\nq = QuantizeLinear(t, xs, xz)\n"
         "p = QLinearMatMul(q, as, az, k, ks, kz, ys, yz)\no = DequantizeLinear(p, ys, yz)\ny = MatMul(v, o)",
         {"w": (6, 8), "v": (5, 8), **_POINTS, "as": np.linspace(0.02, 0.05, 16, dtype=np.float32).reshape(2, 8, 1),
          "az": _u8(2, 8, 1), "k": _u8(4, 3)}, "per row of each", "float[2, 4, 6] x",
         free={"w:1": 8, "as:1": 8, "az:1": 8, "v:1": 8},
         tied={"as:1": "w:1", "az:1": "w:1"}, kernel=False),
    Case("MatMulInteger", "h = MatMul(x, w)\nt = Transpose(h)\nq = QuantizeLinear(t, xs, xz)\n"
         "p = MatMulInteger(q, k, az, kz)\no = Cast<to=1>(p)\ny = MatMul(v, o)",
         {"w": (6, 8), "v": (5, 8), **_only("xs", "xz", "kz"), "az": _u8(8), "k": _u8(4, 3)}, "per row",
         "float[4, 6] x", free={"w:1": 8, "az:0": 8, "v:1": 8}, tied={"az:0": "w:1"}, kernel=False),
    Case("MatMulInteger", f"h = MatMul(x, w)\n{_QUANTISE}p = MatMulInteger(q, k, xz, kz)\no = Cast<to=1>(p)\n"
         "y = MatMul(o, v)", {**_ENDS, **_only("xs", "xz"), "k": _u8(2, 8, 8), "kz": _u8(2, 1, 8)}, "a matrix for each",
         "float[2, 3, 6] x", free={"w:1": 8, "k:1": 8, "k:2": 8, "kz:2": 8, "v:0": 8}),
    Case("MatMulInteger", f"h = MatMul(x, w)\n{_QUANTISE}p = MatMulInteger(q, k, xz, kz)\no = Cast<to=1>(p)\n"
         "y = MatMul(o, v)", {**_ENDS, **_only("xs", "xz"), "k": _u8(2, 8, 8), "kz": _u8(2, 1, 8)},
         "of the same rows", "float[3, 6] x", free={"w:1": 8, "k:1": 8, "k:2": 8, "kz:2": 8, "v:0": 8}),
    Case("MatMulInteger", "h = MatMul(x, w)\nq, s, z = DynamicQuantizeLinear(h)\np = MatMulInteger(k, q, kz)\n"
         "o = Cast<to=1>(p)\nt = Transpose<perm=[0, 2, 1]>(o)\ny = MatMul(t, v)",
         {**_ENDS, **_only("kz"), "k": _u8(2, 8, 3)}, "weights in front", "float[3, 6] x",
         pinned={"w:1": "the scale is taken over all values"}),
    Case("DequantizeLinear", "s0 = MatMul(u, t)\ns = Abs(s0)\nd = DequantizeLinear<axis=0, block_size=4>(k, s)\n"
         "h = MatMul(x, w)\ny = MatMul(h, d)", {"u": (2, 6), "w": (6, 8), "k": _u8(8, 8).astype(np.int8)},
         "scales of blocks, computed", "float[N, 6] x, float[6, 8] t", opset=21,
         pinned={"u:0": "blocks of this axis share a scale", "w:1": "joined with an axis that is fixed"}),
]  # fmt: skip

CASES: list[Case] = [*_RUN_TIME, *_SHAPES, *_NORMS, *_QUANTISED]
