"""Cases: attention whose caches, masks, biases and angles carry labels of their own."""

from __future__ import annotations

import numpy as np

from tests.passes.graphs import Weights
from tests.passes.op_case import Case

_POSITIONS = "attention runs over positions"
_BATCH = "queries, keys and values share their batch"
_ANGLES = "angles are looked up by position"
# What is cached is read, and summed over heads.
_READ = "".join(f"m{n} = MatMul(n{n}, c{n})\nz{n} = ReduceSum<keepdims=0>(m{n}, one)\n" for n in "kv")
_ONE = np.array([1])
_READS: Weights = {"ck": (4, 2), "cv": (4, 2), "one": _ONE}
_ALL_OUT = "float y, float zk, float zv"
_CACHES: Weights = {"pk": (2, 2, 4, 4), "pv": (2, 2, 4, 4)}
_CACHES_STAY = {f"{name}:{axis}": why for name in ("pk", "pv") for axis, why in ((0, _BATCH), (2, _POSITIONS))}
_CACHES_GO = {"pk:1": 2, "pk:3": 4, "pv:1": 2, "pv:3": 4, "ck:0": 4, "cv:0": 4}


def _case(op: str, lines: str, note: str, more: Weights | None = None, *, inputs: str = "float[2, 3, 6] x",
          outputs: str = "float y", opset: int = 18, heads: int = 2, kv: int = 2, width: int = 4, value: int = 0,
          free: dict[str, int] | None = None, pinned: dict[str, str] | None = None,
          kernel: bool = True) -> Case:  # fmt: skip
    """Queries of ``heads`` x ``width``, keys of ``kv`` x ``width``, values of ``kv`` x ``value``; o is projected."""
    own, keys, values = heads * width, kv * width, kv * (value or width)
    weights: Weights = {"wq": (6, own), "wk": (6, keys), "wv": (6, values), "v": (heads * (value or width), 5)}
    default = {"wq:1": own, "wk:1": keys, "wv:1": values}
    body = f"q = MatMul(x, wq)\nk = MatMul(x, wk)\nv0 = MatMul(x, wv)\n{lines}\ny = MatMul(o, v)"
    domains = ("com.microsoft",) if "::" in op else ()
    return Case(op, body, {**weights, **(more or {})}, note, inputs, outputs, opset, domains,
                {**default, **(free or {})}, pinned or {}, kernel)  # fmt: skip


_STANDARD = [
    _case("Attention", "o, nk, nv = Attention<q_num_heads=2, kv_num_heads=2>(q, k, v0, m, pk, pv)\n" + _READ,
          "constant caches and mask", {**_READS, **_CACHES, "m": (2, 2, 3, 7)}, outputs=_ALL_OUT, opset=23,
          free={**_CACHES_GO, "m:1": 2},
          pinned={**_CACHES_STAY, **dict.fromkeys(("m:0", "m:2", "m:3"), _POSITIONS)}),
    _case("Attention", "pk = MatMul(old, a)\npv = MatMul(old, b)\n"
          "o, nk, nv = Attention<q_num_heads=2, kv_num_heads=2>(q, k, v0, , pk, pv)\n" + _READ, "computed caches",
          {**_READS, "a": (6, 4), "b": (6, 4)}, outputs=_ALL_OUT, opset=23,
          inputs="float[2, 3, 6] x, float[2, 2, 4, 6] old", free={"a:1": 4, "b:1": 4, "ck:0": 4, "cv:0": 4}),
    # Keys and values of another sequence, with another length.
    _case("Attention", "k2 = MatMul(z, wk)\nv2 = MatMul(z, wv)\no = Attention<q_num_heads=4, kv_num_heads=2>(q, k2, v2)"
          "\nl = Add(k, v0)\nzl = ReduceSum<keepdims=0>(l)", "another sequence", opset=23, heads=4,
          inputs="float[N, S, 6] x, float[N, T, 6] z", outputs="float y, float zl"),
    *(_case("RotaryEmbedding", f"r = RotaryEmbedding<num_heads=2, {option}>(q, cos, sin)\n"
            "o = Attention<q_num_heads=2, kv_num_heads=2>(r, k, v0)", note, {"cos": (2, 3, cut), "sin": (2, 3, cut)},
            opset=23, width=8, free={"cos:2": cut, "sin:2": cut}, pinned={"cos:0": _ANGLES, "cos:1": _ANGLES})
      for option, note, cut in (("interleaved=1", "wide, interleaved", 4), ("interleaved=0", "wide", 4),
                                ("rotary_embedding_dim=4", "a part of the width", 2),
                                ("rotary_embedding_dim=4, interleaved=1", "a part of the width, interleaved", 2))),
]  # fmt: skip

_MULTI = "com.microsoft.MultiHeadAttention<num_heads=2>"
_ROTARY = "com.microsoft.RotaryEmbedding"
_PLACES: Weights = {"i": np.array([[0, 1, 2], [3, 4, 5]])}
_APART = "".join(f"{n}3 = Reshape({n}, cut)\n{n}4 = Transpose<perm=[0, 2, 1, 3]>({n}3)\n" for n in ("q", "k", "v0"))


def _packed(before: str, call: str, note: str, more: Weights, *, inputs: str = "float[2, 3, 6] x", free: dict[str, int],
            pinned: dict[str, str] | None = None) -> Case:  # fmt: skip
    body = (f"{before}o, new = com.microsoft.Attention<num_heads=2>({call})\ny = MatMul(o, v)\n"
            "m = MatMul(new, s)\nz = ReduceSum<keepdims=0>(m, two)")  # fmt: skip
    weights: Weights = {"p": (7, 24), "b": (24,), "v": (8, 5), "s": (4, 3), "two": np.array([2]), **more}
    return Case("com.microsoft::Attention", body, weights, note, "float[1] unused" if "x" in more else inputs,
                "float y, float z", domains=("com.microsoft",), free=free, pinned=pinned or {})  # fmt: skip


_MICROSOFT = [
    _case("com.microsoft::MultiHeadAttention", f"o, nk, nv = {_MULTI}(q, k, v0, c, , b, pk, pv)\n" + _READ,
          "constant caches and bias", {**_READS, **_CACHES, "b": (2, 2, 3, 7), "c": (24,)}, outputs=_ALL_OUT,
          free={**_CACHES_GO, "b:1": 2, "c:0": 24},
          pinned={**_CACHES_STAY, **dict.fromkeys(("b:0", "b:2", "b:3"), _POSITIONS)}),
    _case("com.microsoft::MultiHeadAttention", "k2 = MatMul(z, wk)\nv2 = MatMul(z, wv)\n" f"o = {_MULTI}(q, k2, v2)\n"
          "l = MatMul(k, s)\nl2 = MatMul(v0, t)\nz1 = Add(l, l2)", "another sequence", {"s": (8, 2), "t": (6, 2)},
          inputs="float[N, S, 6] x, float[N, T, 6] z", outputs="float y, float z1", value=3),
    _case("com.microsoft::RotaryEmbedding", f"r = {_ROTARY}(q, i, cos, sin)\no = {_MULTI}(r, k, v0)",
          "heads told by the angles", {**_PLACES, "cos": (9, 2), "sin": (9, 2)}, free={"cos:1": 2},
          pinned={"cos:0": _ANGLES, "sin:0": _ANGLES}),
    _case("com.microsoft::RotaryEmbedding", f"r = {_ROTARY}<num_heads=2, rotary_embedding_dim=4>(q, i, cos, sin)\n"
          f"o = {_MULTI}(r, k, v0)", "a part of the width", {**_PLACES, "cos": (9, 2), "sin": (9, 2)}, width=8,
          free={"cos:1": 2, "sin:1": 2}, pinned={"cos:0": _ANGLES}),
    _case("com.microsoft::FusedMatMul", _APART + "s = com.microsoft.FusedMatMul<transB=1, alpha=0.5>(q4, k4)\n"
          "o4 = com.microsoft.FusedMatMul(s, v04)\no1 = Transpose<perm=[0, 2, 1, 3]>(o4)\no = Reshape(o1, join)",
          "heads apart", {"cut": np.array([0, 0, 2, 4]), "join": np.array([0, 0, 8])}),
    _case("com.microsoft::SkipLayerNormalization", "o, m, d = com.microsoft.SkipLayerNormalization(q, k, g, b, c)\n"
          "zm = Mul(m, m)\nzd = Mul(d, d)\nl = MatMul(v0, t)\nz = Add(l, l)", "mean and deviation",
          {"g": (8,), "b": (8,), "c": (8,), "t": (8, 2)}, outputs="float y, float zm, float zd, float z",
          free={"wq:1": 0, "wk:1": 0}, pinned=dict.fromkeys(("g:0", "b:0", "c:0"), "a fused normalisation")),
    _packed("h = MatMul(x, w)\npast = MatMul(old, a)\n", "h, p, b, , past", "computed cache",
            {"w": (6, 7), "a": (5, 4)}, inputs="float[1, 3, 6] x, float[2, 1, 2, 4, 5] old",
            free={"w:1": 7, "p:0": 7, "p:1": 24, "b:0": 24, "a:1": 4, "v:0": 8, "s:0": 4}),
    _packed("", "x, p, b, , past", "constant cache", {"x": (2, 3, 7), "past": (2, 2, 2, 4, 4)},
            free={"p:1": 24, "b:0": 24, "past:2": 2, "past:4": 4, "v:0": 8, "s:0": 4},
            pinned={"x:0": _BATCH, "x:1": _POSITIONS,
                    **{f"past:{axis}": "keys and values of a cache" for axis in (0, 1, 3)}}),
    _packed("", "x, p, b, , , r", "constant bias of the scores", {"x": (2, 3, 7), "r": (2, 2, 3, 3)},
            free={"r:1": 2}, pinned=dict.fromkeys(("r:0", "r:2", "r:3"), _POSITIONS)),
    _packed("h = MatMul(x, w)\n", "h, p, b", "a cache begins", {"w": (6, 7)}, free={"p:1": 24, "v:0": 8, "s:0": 4}),
    Case("com.microsoft::Attention", "h = MatMul(x, w)\n"
         "o = com.microsoft.Attention<num_heads=2, do_rotary=1>(h, p, b)\ny = MatMul(o, v)",
         {"w": (6, 7), "p": (7, 24), "b": (24,), "v": (8, 5)}, "rotation", "float[N, S, 6] x",
         domains=("com.microsoft",), kernel=False,
         pinned=dict.fromkeys(("w:1", "p:0", "p:1", "b:0"), "Attention with rotation inside")),
]  # fmt: skip

_GROUP = "com.microsoft.GroupQueryAttention<num_heads=4, kv_num_heads=2{}>"
_KERNEL = "the kernel turns whole heads by a table of angles"
_LENGTHS: Weights = {"n": np.array([2], np.int32), "t": np.array(3, np.int32)}
_WIDE: Weights = {"ck": (16, 2), "cv": (16, 2), "one": _ONE}


def _group(call: str, note: str, more: Weights, *, kernel: bool = True, option: str = "", free: dict[str, int],
           pinned: dict[str, str] | None = None) -> Case:  # fmt: skip
    weights: Weights = {"wp": (6, 128), "wq": (6, 64), "wk": (6, 32), "wv": (6, 32), "v": (64, 5), **_WIDE, **_LENGTHS,
                        **more}  # fmt: skip
    operands = {"p": "p = MatMul(x, wp)\n", "q": "q = MatMul(x, wq)\nk = MatMul(x, wk)\nv0 = MatMul(x, wv)\n"}
    body = f"{operands[call[0]]}o, nk, nv = {_GROUP.format(option)}({call})\n{_READ}y = MatMul(o, v)"
    return Case("com.microsoft::GroupQueryAttention", body, weights, note, "float[1, 3, 6] x", _ALL_OUT,
                domains=("com.microsoft",), free=free, pinned=pinned or {}, kernel=kernel)  # fmt: skip


_GROUPED = [
    _group("p, , , , , n, t", "all in one", {}, free={"wp:1": 128, "v:0": 64}),
    _group("p, , , pk, pv, n, t", "all in one, caches",
           {"pk": (1, 2, 4, 16), "pv": (1, 2, 4, 16), "n": np.array([6], np.int32),
            "t": np.array(7, np.int32)}, free={"wp:1": 128, "pk:1": 2, "pv:1": 2, "v:0": 64},
           pinned={"pk:2": _POSITIONS, "pv:2": _POSITIONS, "pk:3": "joined"}),
    _group("p, , , , , n, t, cos, sin", "all in one, angles", {"cos": (9, 8), "sin": (9, 8)}, option=", do_rotary=1",
           free={"wp:1": 128}, pinned=dict.fromkeys(("cos:0", "cos:1", "sin:0", "sin:1"), _KERNEL)),
    _group("q, k, v0, , , n, t, cos, sin", "angles", {"cos": (9, 8), "sin": (9, 8)}, option=", do_rotary=1",
           free={"wq:1": 64, "wk:1": 32, "wv:1": 32, "v:0": 64}),
    _group("q, k, v0, , , n, t, , , , b, s", "bias and sinks", {"b": (1, 4, 3, 3), "s": (4,)},
           free={"wq:1": 64, "wk:1": 32, "b:1": 4, "s:0": 4}, pinned={"b:2": _POSITIONS, "b:3": _POSITIONS}),
    _group("q, k, v0, , , n, t, , , , , , , , a, b", "norms inside", {"a": (16,), "b": (16,)}, kernel=False,
           free={"wq:1": 64, "wk:1": 32}, pinned={"a:0": "joined", "b:0": "joined"}),
    _group("q, k, v0, , , n, t, , , , , , ks, vs", "quantised caches", {"ks": (1,), "vs": (1,)}, kernel=False, free={},
           pinned=dict.fromkeys(("wq:1", "wk:1", "wv:1"), "caches of quantised keys and values")),
]  # fmt: skip

_STATE = "the state runs over positions"


def _linear(rule: str, inputs: str, note: str, more: Weights, *, domain: str = "", heads: int = 2,
            free: dict[str, int] | None = None, pinned: dict[str, str] | None = None,
            given: str = "float[2, 3, 6] x") -> Case:  # fmt: skip
    op = f"{domain}LinearAttention"
    computed = "d = MatMul(x, g)\ne = MatMul(x, r)\nb = Sigmoid(e)\n" if "g" in more else ""
    computed += "s = MatMul(old, a)\n" if "a" in more else ""
    call = f'{op.replace("::", ".")}<q_num_heads={heads}, kv_num_heads=2, update_rule="{rule}">'
    lines = f"{computed}o, t = {call}(q, k, v0{inputs})\nm = MatMul(t, c)\nz = ReduceSum<keepdims=0>(m, axes)"
    weights: Weights = {"c": (3, 2), "axes": np.array([1, 2]), **more}
    return _case(op, lines, note, weights, heads=heads, value=3, inputs=given, outputs="float y, float z", opset=27,
                 free={"c:0": 3, **(free or {})}, pinned=pinned)  # fmt: skip


_GATES: Weights = {"g": (6, 2), "r": (6, 2)}
_LINEAR = [
    *(_linear("linear", "", "plain", {}, domain=domain) for domain in ("", "com.microsoft::")),
    _linear("linear", "", "grouped", {}, heads=4),
    _linear("gated", ", , d", "decay of each width", {"d": (2, 3, 8)}, free={"d:2": 8},
            pinned={"d:0": _BATCH, "d:1": _STATE}),
    _linear("delta", ", s, , b", "constant state", {"s": (2, 2, 4, 3), "b": (2, 3, 2)},
            free={"s:1": 2, "s:2": 4, "s:3": 3, "b:2": 2}, pinned={"s:0": _BATCH, "b:0": _BATCH, "b:1": _STATE}),
    _linear("gated_delta", ", , d, b", "computed gates", _GATES, free={"g:1": 2, "r:1": 2}, heads=4),
    # The heads of the state are those of an input, and stay.
    _linear("linear", ", s", "computed state", {"a": (5, 3)}, free={"wq:1": 0, "wk:1": 0, "a:1": 3},
            given="float[2, 3, 6] x, float[2, 2, 4, 5] old"),
    _linear("delta", ", , , b", "one rate", {"b": (2, 3, 1)}, pinned={"b:0": _BATCH}),
    Case("com.microsoft::LinearAttention", "h = MatMul(x, w)\n"
         "o = com.microsoft.LinearAttention<q_num_heads=1, kv_num_heads=2, update_rule=\"linear\">(q, h, h)\n"
         "y = MatMul(o, v)", {"q": (2, 3, 4), "w": (6, 8), "v": (8, 5)}, "fewer query heads", "float[2, 3, 6] x",
         domains=("com.microsoft",), pinned={"w:1": "fewer query heads than key heads"}),
]  # fmt: skip

CASES = [*_STANDARD, *_MICROSOFT, *_GROUPED, *_LINEAR]
