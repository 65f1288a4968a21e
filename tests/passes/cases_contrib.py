"""Cases: more fused ops of com.microsoft."""

from __future__ import annotations

from tests.passes.graphs import Weights
from tests.passes.op_case import Case

_SLIDES = "a convolution slides over this axis"
_DOMAINS = ("com.microsoft",)


def _case(op: str, body: str, note: str, weights: Weights, inputs: str, *, free: dict[str, int],
          outputs: str = "float y", pinned: dict[str, str] | None = None, kernel: bool = True,
          tied: dict[str, str] | None = None) -> Case:  # fmt: skip
    return Case(f"com.microsoft::{op}", body, weights, note, inputs, outputs, domains=_DOMAINS, free=free,
                pinned=pinned or {}, kernel=kernel, tied=tied or {})  # fmt: skip


_GROUPS: Weights = {"w": (6, 8), "g": (8,), "b": (8,), "v": (8, 5)}
_FREE = {"w:1": 8, "g:0": 8, "b:0": 8, "v:0": 8}
_TIED = {"g:0": "w:1", "b:0": "w:1"}
_FIRST = "float[2, 6, 4, 3] x"
_GROUP_NORM = [
    _case("GroupNorm", "h = MatMul(x, w)\n"
          "o = com.microsoft.GroupNorm<groups=4, activation=1>(h, g, b)\ny = MatMul(o, v)", "channels last",
          _GROUPS, "float[N, 4, 3, 6] x", free=_FREE, tied=_TIED, kernel=False),
    _case("GroupNorm", "h = Conv(x, w)\no = com.microsoft.GroupNorm<groups=4, channels_last=0, activation=0>(h, g, b)\n"
          "y = Conv(o, v)", "channels first", {**_GROUPS, "w": (8, 6, 1, 1), "v": (5, 8, 1, 1)}, _FIRST,
          free={"w:0": 8, "g:0": 8, "b:0": 8, "v:1": 8}, kernel=False),
    _case("GroupNorm", "o = com.microsoft.GroupNorm<groups=4, activation=0>(x, g, b)\ny = MatMul(o, v)", "over pixels",
          {**_GROUPS, "x": (2, 4, 3, 8)}, "float[1] unused", free={"x:3": 8}, kernel=False,
          pinned={"x:1": "this axis is normalised over", "x:2": "this axis is normalised over"}),
    _case("GroupNorm", "o = com.microsoft.GroupNorm<groups=4, channels_last=0, activation=0>(x, g, b)\ny = Conv(o, v)",
          "over pixels, channels first", {**_GROUPS, "x": (2, 8, 4, 3), "v": (5, 8, 1, 1)}, "float[1] unused",
          free={"x:1": 8}, kernel=False,
          pinned={"x:2": "this axis is normalised over", "x:3": "this axis is normalised over"}),
    *(_case("SkipGroupNorm", f"h = MatMul(x, w)\ns = MatMul({source}, u)\n"
            "o, t = com.microsoft.SkipGroupNorm<groups=4, activation=1>(h, g, b, s, c)\ny = MatMul(o, v)\n"
            "z = MatMul(t, v)", note, {**_GROUPS, "u": (6, 8), "c": (8,)},
            "float[2, 4, 3, 6] x, float[2, 6] e", outputs="float y, float z",
            free={**_FREE, "u:1": 8, "c:0": 8}, tied={**_TIED, "u:1": "w:1", "c:0": "w:1"}, kernel=False)
      for source, note in (("x", "whole"), ("e", "width alone"))),
    _case("SkipGroupNorm", "h = MatMul(x, w)\no = com.microsoft.SkipGroupNorm<groups=4, activation=1>(h, g, b, s)\n"
          "y = MatMul(o, v)", "constant skip", {**_GROUPS, "s": (2, 4, 3, 8)}, "float[2, 4, 3, 6] x",
          free={**_FREE, "s:3": 8}, tied={**_TIED, "s:3": "w:1"},
          pinned={f"s:{axis}": "pictures of a skip" for axis in (0, 1, 2)}, kernel=False),
    _case("SkipGroupNorm", "h = Conv(x, w)\n"
          "o = com.microsoft.SkipGroupNorm<groups=4, channels_last=0, activation=1>(h, g, b, h)\ny = Conv(o, v)",
          "channels first", {**_GROUPS, "w": (8, 6, 1, 1), "v": (5, 8, 1, 1)}, "float[2, 6, 8, 8] x", free={},
          pinned={"w:0": "a skip connection of channels before pixels"}, kernel=False),
]  # fmt: skip

_OTHERS = [
    _case("TransposeMatMul", "h = MatMul(x, w)\n"
          "o = com.microsoft.TransposeMatMul<transB=1>(h, k)\ny = MatMul(o, v)", "",
          {"w": (6, 8), "k": (7, 8), "v": (7, 5)}, "float[N, S, 6] x", free={"w:1": 8, "k:0": 7, "k:1": 8, "v:0": 7}),
    _case("Trilu", "h = MatMul(x, w)\nt = Transpose<perm=[2, 0, 1]>(h)\no = com.microsoft.Trilu(t)\n"
          "r = Transpose<perm=[1, 2, 0]>(o)\ny = MatMul(r, v)", "", {"w": (6, 8), "v": (8, 5)}, "float[5, 4, 6] x",
          free={"w:1": 8, "v:0": 8}),
    _case("CausalConvWithState", "h = MatMul(w, x)\no, t = com.microsoft.CausalConvWithState(h, k, c, s)\n"
          "y = MatMul(v, o)\ny2 = MatMul(q, t)", "",
          {"w": (8, 6), "k": (8, 1, 3), "c": (8,), "s": (2, 8, 2), "v": (5, 8), "q": (4, 8)},
          "float[2, 6, T] x", outputs="float y, float y2", free={"w:0": 8, "k:0": 8, "c:0": 8, "s:1": 8, "v:1": 8},
          pinned={"k:2": _SLIDES, "s:2": _SLIDES}),
    _case("CausalConvWithState", "h = MatMul(x, w)\n"
          "o = com.microsoft.CausalConvWithState<channels_last=1>(h, k)\ny = MatMul(o, v)", "channels last",
          {"w": (6, 8), "k": (8, 1, 3), "v": (8, 5)}, "float[2, T, 6] x", free={},
          pinned={"w:1": "shapes are not known"}, kernel=False),
]  # fmt: skip

CASES = [*_GROUP_NORM, *_OTHERS]
