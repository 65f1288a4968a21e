"""Cases: attention of ai.onnx, and the fused ops of com.microsoft."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.passes.graphs import Weights, i64
from tests.passes.op_case import Case, picture, rows, tokens

_QKV = "q = MatMul(x, w)\nk = MatMul(x, wk)\nv0 = MatMul(x, wv)\n"
_FREE = {"w:1": 8, "wk:1": 8, "wv:1": 8, "v:0": 8}


def _attention(op: str, line: str, note: str = "", *, opset: int = 23, more: Weights | None = None, heads: int = 2,
               kv: int = 2, width: int = 4, free: dict[str, int] | None = None, pinned: dict[str, str] | None = None,
               inputs: str = "float[N, S, 6] x") -> Case:  # fmt: skip
    """Queries of ``heads`` x ``width``, keys and values of ``kv`` x ``width``, then a product."""
    own, other = heads * width, kv * width
    weights = {"w": (6, own), "wk": (6, other), "wv": (6, other), "v": (own, 5), **(more or {})}
    domains = ("com.microsoft",) if "::" in op else ()
    default = {"w:1": own, "wk:1": other, "wv:1": other, "v:0": own}
    return Case(op, f"{_QKV}{line}\ny = MatMul(o, v)", weights, note, inputs, opset=opset, domains=domains,
                free=default if free is None else free, pinned=pinned or {})  # fmt: skip


def _angles(rows_: int, columns: int) -> Weights:
    turn = np.linspace(0, 3, rows_ * columns, dtype=np.float32).reshape(rows_, columns)
    return {"cos": np.cos(turn), "sin": np.sin(turn)}


_STANDARD = [
    _attention("Attention", "o = Attention<q_num_heads=2, kv_num_heads=2>(q, k, v0)", "3-D"),
    _attention("Attention", "o = Attention<q_num_heads=4, kv_num_heads=2>(q, k, v0)", "grouped", heads=4),
    _attention("Attention", "o = Attention<q_num_heads=2, kv_num_heads=2, is_causal=1, scale=0.3>(q, k, v0)", "causal"),
    _attention("Attention", "o = Attention<q_num_heads=2, kv_num_heads=2>(q, k, v0, m)", "mask of a head",
               inputs="float[N, 3, 6] x", more={"m": (1, 2, 3, 3)}, free={**_FREE, "m:1": 2},
               pinned={"m:2": "attention runs over positions"}),
    _attention("Attention", "a = Reshape(q, n)\nb = Reshape(k, n)\nc = Reshape(v0, n)\n"
               "d = Transpose<perm=[0, 2, 1, 3]>(a)\ne = Transpose<perm=[0, 2, 1, 3]>(b)\n"
               "f = Transpose<perm=[0, 2, 1, 3]>(c)\ng = Attention(d, e, f)\nt = Transpose<perm=[0, 2, 1, 3]>(g)\n"
               "o = Reshape(t, p)", "4-D", more={"n": i64([0, 0, 2, 4]), "p": i64([0, 0, 8])}),
    _attention("RotaryEmbedding", "r = RotaryEmbedding<num_heads=2>(q, cos, sin)\n"
               "o = Attention<q_num_heads=2, kv_num_heads=2>(r, k, v0)", inputs="float[2, 3, 6] x",
               more={n: np.stack([a, a]) for n, a in _angles(3, 2).items() if isinstance(a, np.ndarray)},
               free={**_FREE, "cos:2": 2, "sin:2": 2}),
    replace(tokens("SwiGLU", "g = MatMul(x, u)\no = SwiGLU(h, g)", more={"u": (6, 8)}, opset=28), kernel=False),
]  # fmt: skip


def _ms(case: Case) -> Case:
    return replace(case, op=f"com.microsoft::{case.op}", domains=("com.microsoft",))


_NORM = "a fused normalisation runs over this axis"
_ELEMENTWISE = [
    *(_ms(rows(op, f"o = com.microsoft.{op}(h)")) for op in ("Gelu", "QuickGelu", "FastGelu")),
    *(_ms(rows(op, f"o = com.microsoft.{op}(h, c)", "bias", more={"c": (8,)}, free={"w:1": 8, "c:0": 8}))
      for op in ("FastGelu", "BiasGelu")),
    _ms(picture("FusedConv", 'o = com.microsoft.FusedConv<activation="Relu", group=4>(h, k, c)', "grouped", out=12,
                more={"k": (12, 2, 1, 1), "c": (12,)}, free={"w:0": 8, "k:0": 12, "k:1": 2, "c:0": 12, "v:1": 12})),
    _ms(picture("FusedConv", 'o = com.microsoft.FusedConv<activation="Relu">(h, k, c, h)', "addend",
                more={"k": (8, 8, 1, 1), "c": (8,)}, free={"w:0": 8, "k:0": 8, "k:1": 8, "v:1": 8})),
    _ms(rows("FusedGemm", 'o = com.microsoft.FusedGemm<activation="Relu", transB=1>(h, k, c)', out=7,
             more={"k": (7, 8), "c": (7,)}, free={"w:1": 8, "k:0": 7, "k:1": 8, "c:0": 7})),
    _ms(tokens("FusedMatMul", "o = com.microsoft.FusedMatMul<alpha=0.5, transB=1>(h, k)", out=7, more={"k": (7, 8)},
               free={"w:1": 8, "k:0": 7, "k:1": 8, "v:0": 7})),
    _ms(tokens("SkipLayerNormalization", "s = MatMul(x, u)\no = com.microsoft.SkipLayerNormalization(h, s, g, b)",
               more={"g": (8,), "b": (8,), "u": (6, 8)}, pinned=dict.fromkeys(("w:1", "u:1"), _NORM))),
    _ms(tokens("SkipSimplifiedLayerNormalization",
               "s = MatMul(x, u)\no = com.microsoft.SkipSimplifiedLayerNormalization(h, s, g)",
               more={"g": (8,), "u": (6, 8)}, pinned=dict.fromkeys(("w:1", "u:1"), _NORM))),
    Case("com.microsoft::EmbedLayerNormalization",
         "h, m = com.microsoft.EmbedLayerNormalization(i, , e, p, , g, b)\ny = MatMul(h, v)",
         {"e": (9, 8), "p": (9, 8), "g": (8,), "b": (8,), "v": (8, 5)}, inputs="int32[N, 3] i",
         domains=("com.microsoft",), pinned={"e:1": "a fused normalisation", "v:0": "joined with"}),
    Case("com.microsoft::BiasAdd", "h = MatMul(x, w)\no = com.microsoft.BiasAdd(h, c, s)\ny = MatMul(o, v)",
         {"w": (6, 320), "c": (320,), "s": (2, 3, 320), "v": (320, 5)}, inputs="float[2, 3, 6] x",
         domains=("com.microsoft",), free={"w:1": 320, "c:0": 320, "v:0": 320}, kernel=False),
]  # fmt: skip

_FUSED = [
    _attention("com.microsoft::MultiHeadAttention", "o = com.microsoft.MultiHeadAttention<num_heads=2>(q, k, v0, c)",
               opset=18, more={"c": (24,)}, free={**_FREE, "c:0": 24}),
    _attention("com.microsoft::MultiHeadAttention", "o = com.microsoft.MultiHeadAttention<num_heads=2>(q, k, v0)",
               "no bias", opset=18),
    Case("com.microsoft::Attention", "h = MatMul(x, w)\no = com.microsoft.Attention<num_heads=2>(h, k, c)\n"
         "y = MatMul(o, v)", {"w": (6, 8), "k": (8, 24), "c": (24,), "v": (8, 5)}, inputs="float[N, S, 6] x",
         domains=("com.microsoft",), free={"w:1": 8, "k:0": 8, "k:1": 24, "c:0": 24, "v:0": 8}),
    _attention("com.microsoft::GroupQueryAttention",
               "o, pk, pv = com.microsoft.GroupQueryAttention<num_heads=4, kv_num_heads=2>(q, k, v0, , , n, t)",
               opset=18, heads=4, width=16, inputs="float[1, 3, 6] x",
               more={"n": np.array([2], np.int32), "t": np.asarray(3, np.int32)}),
    _attention("com.microsoft::RotaryEmbedding",
               "r = com.microsoft.RotaryEmbedding<num_heads=2>(q, i, cos, sin)\n"
               "o = com.microsoft.MultiHeadAttention<num_heads=2>(r, k, v0)", opset=18,
               inputs="float[1, 3, 6] x", more={"i": i64([[0, 1, 2]]), **_angles(9, 2)},
               free={**_FREE, "cos:1": 2, "sin:1": 2}),
]  # fmt: skip

CASES = [*_STANDARD, *_ELEMENTWISE, *_FUSED]
