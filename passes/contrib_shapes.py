"""Output shapes of com.microsoft ops, whose schemas the onnx package does not have.

Source: ONNX Runtime's ContribOperators.md. Each function maps input shapes (None where an optional
input is absent) and attributes to output shapes; outputs have the first input's type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

Shape: TypeAlias = tuple[int, ...]
Shapes: TypeAlias = Sequence[Shape | None]
ShapeRule: TypeAlias = Callable[[Shapes, Mapping[str, Any]], list[Shape] | None]


def _same(shapes: Shapes, _: Mapping[str, Any]) -> list[Shape] | None:
    return None if shapes[0] is None else [shapes[0]]


def _twice(shapes: Shapes, _: Mapping[str, Any]) -> list[Shape] | None:
    return None if shapes[0] is None else [shapes[0], shapes[0]]


# What makes CausalConvWithState another op: more axes, other layouts, parts of its input.
_OTHER_LAYOUTS = ("channels_last", "state_window", "state_length", "input_channels", "state_update_capacity")


def _causal_conv(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape] | None:
    x, weight = shapes[:2]
    if x is None or weight is None or attrs.get("ndim", 1) != 1 or any(attrs.get(name) for name in _OTHER_LAYOUTS):
        return None
    return [x, (*x[:2], (weight[2] - 1) * attrs.get("dilation", 1))]


def _skip_norm(shapes: Shapes, _: Mapping[str, Any]) -> list[Shape] | None:
    if shapes[0] is None:
        return None
    return [shapes[0], (*shapes[0][:-1], 1), (*shapes[0][:-1], 1), shapes[0]]


def _fused_matmul(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape] | None:
    a, b = shapes[0], shapes[1]
    if a is None or b is None or len(a) < 2 or len(b) < 2 or attrs.get("transBatchA") or attrs.get("transBatchB"):
        return None
    rows = a[-1] if attrs.get("transA") else a[-2]
    columns = b[-2] if attrs.get("transB") else b[-1]
    return [(*np.broadcast_shapes(a[:-2], b[:-2]), rows, columns)]


def _multi_head(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape] | None:
    query, key, value = [*shapes, None, None][:3]
    if query is None or len(query) != 3 or key is None or value is None or len(value) != 3 or len(key) != 3:
        return None
    heads = attrs["num_heads"]
    past = shapes[6][2] if len(shapes) > 6 and shapes[6] is not None else 0
    return [
        (query[0], query[1], value[2]),
        (key[0], heads, past + key[1], key[2] // heads),
        (value[0], heads, past + value[1], value[2] // heads),
    ]


def _group_query(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape] | None:
    query, key, _, past = [*shapes, None, None, None][:4]
    if query is None:
        return None
    heads, groups = attrs["num_heads"], attrs["kv_num_heads"]
    batch, positions, total = query
    width = total // (heads + 2 * groups) if key is None else key[2] // groups  # without keys all three are in one
    positions = positions if key is None else key[1]
    cache = (batch, groups, positions if past is None else max(past[2], positions), width)
    return [(batch, query[1], heads * width), cache, cache]


def _attention(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape] | None:
    x, weight = shapes[:2]
    if x is None or weight is None:
        return None
    sizes = attrs.get("qkv_hidden_sizes") or [weight[1] // 3] * 3
    past = shapes[4][3] if len(shapes) > 4 and shapes[4] is not None else 0
    heads, shared = attrs["num_heads"], attrs.get("past_present_share_buffer", 0)
    present = (2, x[0], heads, past if shared else past + x[1], sizes[2] // heads)
    return [(x[0], x[1], sizes[2]), present]


def _linear_attention(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape] | None:
    query, key, value = [*shapes, None, None][:3]
    if query is None or key is None or value is None or attrs.get("state_window"):
        return None
    heads, groups = attrs["q_num_heads"], attrs["kv_num_heads"]
    state = (query[0], groups, key[2] // groups, value[2] // groups)
    return [(*query[:2], max(heads, groups) * state[3]), state]


def _embed(shapes: Shapes, _: Mapping[str, Any]) -> list[Shape] | None:
    ids, table = shapes[0], shapes[2]
    if ids is None or table is None:
        return None
    return [(*ids, table[1]), (ids[0],), (*ids, table[1])]


CONTRIB_SHAPES: dict[str, ShapeRule] = {
    **dict.fromkeys(("Gelu", "FastGelu", "BiasGelu", "QuickGelu", "RotaryEmbedding", "BiasAdd"), _same),
    **dict.fromkeys(("GroupNorm", "Trilu"), _same),
    "SkipGroupNorm": _twice,
    "CausalConvWithState": _causal_conv,
    **dict.fromkeys(("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"), _skip_norm),
    "FusedMatMul": _fused_matmul,
    "TransposeMatMul": _fused_matmul,
    "MultiHeadAttention": _multi_head,
    "GroupQueryAttention": _group_query,
    "Attention": _attention,
    "LinearAttention": _linear_attention,
    "EmbedLayerNormalization": _embed,
}
# Ops that are a standard op with extra attributes: shapes come from the standard one.
STANDARD_TWIN = {"FusedConv": "Conv", "FusedGemm": "Gemm"}
