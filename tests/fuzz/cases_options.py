"""More graphs for the op contract: optional inputs, extra outputs and attributes that few files use."""

from __future__ import annotations

import re

import numpy as np

from tests.passes.graphs import Weights
from tests.passes.op_case import Case

_MS = ("com.microsoft",)
_PROJECTIONS = {"q": "wq", "k": "wk", "v0": "wv"}
_APART = "".join(f"{n}3 = Reshape({n}, cut)\n{n}4 = Transpose<perm=[0, 2, 1, 3]>({n}3)\n" for n in ("q", "k", "v0"))
_CUT = {"cut": np.array([0, 0, 2, 4], np.int64), "join": np.array([0, 0, 8], np.int64)}
_JOIN = "o1 = Transpose<perm=[0, 2, 1, 3]>(o4)\no = Reshape(o1, join)\ny = MatMul(o, v)"
_CACHES = "float[1, 3, 6] x, float[1, 2, 4, 4] pk, float[1, 2, 4, 4] pv"
_ALL_OUT = "float y, float zk, float zv, float zs"


def _case(op: str, body: str, note: str, more: Weights | None = None, *, inputs: str = "float[1, 3, 6] x",
          outputs: str = "float y", opset: int = 23, free: dict[str, int] | None = None) -> Case:  # fmt: skip
    domains = _MS if "::" in op else ()
    read = {name: weight for name, weight in _PROJECTIONS.items() if re.search(rf"\b{name}\b", body)}
    weights: Weights = {**dict.fromkeys(read.values(), (6, 8)), "v": (8, 5), **(more or {})}
    body = "".join(f"{name} = MatMul(x, {weight})\n" for name, weight in read.items()) + body
    return Case(op, body, weights, note, inputs, outputs, opset=opset, domains=domains,
                free={} if free is None else free, pinned={} if free else {"v:1": "graph output"})  # fmt: skip


_READ_CACHES = "zk = MatMul(nk, ck)\nzv = MatMul(nv, cv)\n"
_READS: Weights = {"ck": (4, 2), "cv": (4, 2)}

_ATTENTION = [
    _case("Attention", "o, nk, nv, s = Attention<q_num_heads=2, kv_num_heads=2>(q, k, v0, m, pk, pv)\n"
          + _READ_CACHES + "zs = MatMul(s, cs)\ny = MatMul(o, v)", "cache, mask and every output",
          {**_READS, "m": (1, 2, 3, 7), "cs": (7, 2)}, inputs=_CACHES, outputs=_ALL_OUT),
    _case("Attention", _APART + "o4, nk, nv, s = Attention(q4, k4, v04, m, pk, pv)\n" + _READ_CACHES
          + "zs = MatMul(s, cs)\n" + _JOIN, "heads apart, cache, mask",
          {**_READS, **_CUT, "m": (3, 7), "cs": (7, 2)}, inputs=_CACHES, outputs=_ALL_OUT),
    _case("Attention", _APART + "o4 = Attention(q4, k4, v04, m)\n" + _JOIN, "one mask for all heads",
          {**_CUT, "m": (1, 1, 3, 3)}, free={"wq:1": 8, "wv:1": 8, "v:0": 8}),
    _case("RotaryEmbedding", _APART + "r4 = RotaryEmbedding<interleaved=1>(q4, cos, sin)\n"
          "o4 = Attention(r4, k4, v04)\n" + _JOIN, "interleaved", {**_CUT, "cos": (1, 3, 2), "sin": (1, 3, 2)},
          free={"cos:2": 2, "sin:2": 2, "wq:1": 8}),
    _case("RotaryEmbedding", _APART + "r4 = RotaryEmbedding<rotary_embedding_dim=2>(q4, cos, sin)\n"
          "o4 = Attention(r4, k4, v04)\n" + _JOIN, "half of the width", {**_CUT, "cos": (1, 3, 1), "sin": (1, 3, 1)}),
]  # fmt: skip

_MULTI = "com.microsoft.MultiHeadAttention<num_heads=2>"
_MICROSOFT = [
    _case("com.microsoft::MultiHeadAttention", f"o, nk, nv = {_MULTI}(q, k, v0, , , b, pk, pv)\n" + _READ_CACHES
          + "y = MatMul(o, v)", "cache and bias of the scores", {**_READS, "b": (1, 2, 3, 7)}, opset=18,
          inputs=_CACHES, outputs="float y, float zk, float zv"),
    _case("com.microsoft::MultiHeadAttention", f"o = {_MULTI}(q, k, v0, , m)\ny = MatMul(o, v)", "key mask",
          {"m": np.array([[1, 1, 0]], np.int32)}, opset=18, free={"wq:1": 8, "wv:1": 8, "v:0": 8}),
    _case("com.microsoft::Attention", "o = com.microsoft.Attention<num_heads=2>(q, p, b, m, , r)\ny = MatMul(o, v)",
          "mask and relative bias", {"p": (8, 24), "b": (24,), "m": np.array([[1, 1, 0]], np.int32), "r": (1, 2, 3, 3)},
          opset=18, free={"wq:1": 8, "v:0": 8}),
    _case("com.microsoft::Attention", "o = com.microsoft.Attention<num_heads=2, qkv_hidden_sizes=[4, 4, 8]>(q, p, b)\n"
          "y = MatMul(o, v)", "three widths", {"p": (8, 16), "b": (16,)}, opset=18, free={"wq:1": 8, "p:1": 16}),
    _case("com.microsoft::FusedMatMul", "t = Transpose<perm=[0, 2, 1]>(q)\n"
          "o = com.microsoft.FusedMatMul<transA=1>(t, f)\ny = MatMul(o, v)", "transA", {"f": (8, 8)}, opset=18,
          free={"wq:1": 8, "f:0": 8, "f:1": 8, "v:0": 8}),
    _case("com.microsoft::FusedMatMul", "a = com.microsoft.FusedMatMul<transB=1>(q, k)\n"
          "o = com.microsoft.FusedMatMul(a, v0)\ny = MatMul(o, v)", "two activations", opset=18,
          free={"wq:1": 8, "wk:1": 8, "wv:1": 8, "v:0": 8}),
    _case("com.microsoft::FusedMatMul", "a = com.microsoft.FusedMatMul<transA=1>(q, k)\n"
          "o = MatMul(v0, a)\ny = MatMul(o, v)", "over positions", opset=18, free={"wq:1": 8, "wk:1": 8, "v:0": 8}),
    _case("com.microsoft::SkipLayerNormalization", "o, m, d, s = com.microsoft.SkipLayerNormalization(q, k, g, b, c)\n"
          "zs = MatMul(s, cs)\ny = MatMul(o, v)", "bias and the sum", {"g": (8,), "b": (8,), "c": (8,), "cs": (8, 2)},
          opset=18, outputs="float y, float zs"),
    _case("com.microsoft::RotaryEmbedding", "i4 = Identity(q)\n"
          "r = com.microsoft.RotaryEmbedding<num_heads=2, rotary_embedding_dim=2>(i4, i, cos, sin)\n"
          f"o = {_MULTI}(r, k, v0)\ny = MatMul(o, v)", "half of the width",
          {"i": np.array([[0, 1, 2]]), "cos": (9, 1), "sin": (9, 1)}, opset=18),
    _case("com.microsoft::RotaryEmbedding", _APART
          + "r = com.microsoft.RotaryEmbedding<interleaved=1>(q4, i, cos, sin)\n"
          "a = Transpose<perm=[0, 1, 3, 2]>(k4)\ns = MatMul(r, a)\no4 = MatMul(s, v04)\n" + _JOIN, "heads apart",
          {**_CUT, "i": np.array([[0, 1, 2]]), "cos": (9, 2), "sin": (9, 2)}, opset=18, free={"cos:1": 2, "wq:1": 8}),
]  # fmt: skip


_STATES = "batch and direction of an initial state"


def _recurrent(op: str, gates: int, states: str, more: Weights) -> Case:
    body = (f"h = MatMul(x, w)\nt, th{', tc' if op == 'LSTM' else ''} = {op}<hidden_size=5>(h, a, r, b, , {states})\n"
            "o = Squeeze(t, one)\ny = MatMul(o, v)\nz = MatMul(th, u)")  # fmt: skip
    weights: Weights = {"w": (6, 8), "a": (1, gates * 5, 8), "r": (1, gates * 5, 5), "b": (1, gates * 10), "v": (5, 4),
                        "u": (5, 3), "one": np.array([1], np.int64), **more}  # fmt: skip
    return Case(op, body, weights, "initial states and last", "float[T, 2, 6] x", "float y, float z",
                free={"w:1": 8, "a:2": 8, "a:1": gates * 5, "v:0": 5, "u:0": 5, "h0:2": 5},
                pinned={"h0:1": _STATES})  # fmt: skip


_RECURRENT = [
    _recurrent("LSTM", 4, "h0, c0, p", {"h0": (1, 2, 5), "c0": (1, 2, 5), "p": (1, 15)}),
    _recurrent("GRU", 3, "h0", {"h0": (1, 2, 5)}),
    _recurrent("RNN", 1, "h0", {"h0": (1, 2, 5)}),
    Case("GRU", "h = MatMul(x, w)\nt, th = GRU<hidden_size=5, direction=\"bidirectional\">(h, a, r, , , h0)\n"
         "d = ReduceSum<keepdims=0>(t, one)\ny = MatMul(d, v)", {"w": (6, 8), "a": (2, 15, 8), "r": (2, 15, 5),
         "h0": (2, 3, 5), "v": (5, 4), "one": np.array([1], np.int64)}, "both ways", "float[T, 3, 6] x",
         free={"w:1": 8, "h0:2": 5, "v:0": 5},
         pinned={"a:0": "directions", "r:0": "directions", "h0:0": _STATES, "h0:1": _STATES}),
]  # fmt: skip

CASES = [*_ATTENTION, *_MICROSOFT, *_RECURRENT]
