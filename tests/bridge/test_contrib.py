"""com.microsoft's fused ops against ONNX Runtime, which defines them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto

from tests.bridge.one_node import Array, compare_with_runtime, module_of

RNG = np.random.default_rng(5)
MS = "com.microsoft"
B, S, N, H = 2, 4, 4, 16
D = N * H


def _random(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


MASKS: dict[str, Array | None] = {
    "none": None,
    "lengths": np.array([4, 2], np.int32),
    "keys": np.array([[1, 1, 1, 1], [1, 1, 0, 0]], np.int32),
    "queries": np.tril(np.ones((2, 4, 4), np.int32)),
}


@pytest.mark.parametrize("mask", list(MASKS))
@pytest.mark.parametrize("causal", [0, 1])
def test_packed_attention(mask: str, causal: int) -> None:
    inputs = [_random(B, S, D), _random(D, 3 * D), _random(3 * D), MASKS[mask]]
    attributes = {"num_heads": N, "unidirectional": causal}
    compare_with_runtime("Attention", inputs, attributes, domain=MS, constants=(1, 2), atol=1e-3)


def test_packed_attention_with_past() -> None:
    inputs = [_random(B, S, D), _random(D, 3 * D), _random(3 * D), None, _random(2, B, N, 3, H)]
    attributes = {"num_heads": N, "unidirectional": 1}
    compare_with_runtime("Attention", inputs, attributes, domain=MS, constants=(1, 2), outputs=2, atol=1e-3)


@pytest.mark.parametrize("mask", [None, np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]], np.int32)])
@pytest.mark.parametrize("bias", [None, _random(3 * D)])
@pytest.mark.parametrize("scores", [None, _random(1, N, S, 6)])
def test_multi_head_attention(mask: Array | None, bias: Array | None, scores: Array | None) -> None:
    inputs = [_random(B, S, D), _random(B, 6, D), _random(B, 6, D), bias, mask, scores]
    compare_with_runtime("MultiHeadAttention", inputs, {"num_heads": N}, domain=MS)


def test_multi_head_attention_with_past() -> None:
    x = [_random(B, S, D) for _ in range(3)]
    inputs = [*x, None, None, None, _random(B, N, 3, H), _random(B, N, 3, H)]
    attributes = {"num_heads": N, "unidirectional": 1}
    compare_with_runtime("MultiHeadAttention", inputs, attributes, domain=MS, outputs=3)


def test_packed_forms_of_multi_head_attention_are_the_parts_side_by_side() -> None:
    q, k, v = (torch.randn(B, S, N, H) for _ in range(3))
    part = torch.randn(3 * D)
    plain = [x.flatten(2).numpy() for x in (q, k, v)]
    attributes = {"num_heads": N}
    wanted = module_of("MultiHeadAttention", [*plain, part.numpy()], attributes, domain=MS)(
        *map(torch.from_numpy, plain), part
    )
    together = torch.stack((q, k, v), 3)
    module = module_of("MultiHeadAttention", [together.numpy(), None, None, part.numpy()], attributes, domain=MS)
    torch.testing.assert_close(module(together, part), wanted)
    pair = torch.stack((k, v), 3)
    module = module_of("MultiHeadAttention", [plain[0], pair.numpy(), None, part.numpy()], attributes, domain=MS)
    torch.testing.assert_close(module(torch.from_numpy(plain[0]), pair, part), wanted)


@pytest.mark.parametrize(
    "attributes",
    [{}, {"do_rotary": 1}, {"do_rotary": 1, "rotary_interleaved": 1}, {"softcap": 2.0}, {"local_window_size": 2}],
)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("past", [0, 3])
def test_group_query_attention(attributes: dict[str, Any], packed: bool, past: int) -> None:
    kv, time = 2, 1 if past else S
    x = [_random(B, time, (N + 2 * kv) * H), None, None]
    if not packed:
        x = [_random(B, time, D), _random(B, time, kv * H), _random(B, time, kv * H)]
    total = past + time
    cache = [_random(B, kv, past, H), _random(B, kv, past, H)]
    angles = RNG.uniform(0, 3, (16, H // 2))
    rotary = [np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)] if "do_rotary" in attributes else []
    inputs = [*x, *cache, np.full(B, total - 1, np.int32), np.array(total, np.int32), *rotary]
    full = {"num_heads": N, "kv_num_heads": kv, **attributes}
    compare_with_runtime("GroupQueryAttention", inputs, full, domain=MS, outputs=3)


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("positions", [np.array([2], np.int64), np.array([[0, 1, 2, 3], [3, 1, 0, 5]], np.int64)])
def test_rotary_embedding(interleaved: int, positions: Array) -> None:
    angles = RNG.uniform(0, 3, (16, H // 2))
    inputs = [_random(B, S, D), positions, np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)]
    compare_with_runtime("RotaryEmbedding", inputs, {"interleaved": interleaved}, domain=MS)


@pytest.mark.parametrize("op", ["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"])
def test_skip_norms(op: str) -> None:
    vectors = [_random(D) for _ in range(3 if op == "SkipLayerNormalization" else 2)]
    compare_with_runtime(op, [_random(B, S, D), _random(B, S, D), *vectors], {"epsilon": 1e-5}, domain=MS)


@pytest.mark.parametrize(
    ("op", "count", "attributes"),
    [("Gelu", 0, {}), ("FastGelu", 1, {}), ("BiasGelu", 1, {}), ("QuickGelu", 0, {"alpha": 1.5})],
)
def test_gelus(op: str, count: int, attributes: dict[str, Any]) -> None:
    compare_with_runtime(op, [_random(B, S, D), *[_random(D)] * count], attributes, domain=MS)


def test_fused_products() -> None:
    attributes: dict[str, Any] = {"transA": 1, "alpha": 0.5, "transB": 1}
    compare_with_runtime("FusedMatMul", [_random(2, 5, 3), _random(2, 4, 5)], attributes, domain=MS)
    for activation in ({"activation": "Relu"}, {"activation": "LeakyRelu", "activation_alpha": 0.2}):
        compare_with_runtime("FusedGemm", [_random(3, 4), _random(4, 5), _random(5)], activation, domain=MS)
    attributes = {"activation": "HardSigmoid", "activation_params": [0.3, 0.4], "pads": [1, 1, 1, 1]}
    inputs = [_random(1, 3, 5, 5), _random(2, 3, 3, 3), _random(2)]
    compare_with_runtime("FusedConv", inputs, attributes, domain=MS)


def test_embed_layer_norm() -> None:
    ids = RNG.integers(0, 10, (B, S)).astype(np.int32)
    tables = [_random(10, D), _random(8, D), _random(2, D), _random(D), _random(D)]
    inputs = [ids, (ids % 2).astype(np.int32), *tables, np.array([[1, 1, 1, 1], [1, 1, 0, 0]], np.int32)]
    kinds = (TensorProto.FLOAT, TensorProto.INT32)
    compare_with_runtime("EmbedLayerNormalization", inputs, {"epsilon": 1e-6}, domain=MS, outputs=2, types=kinds)
