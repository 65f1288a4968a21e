"""ONNX's Attention and RotaryEmbedding."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from compressor.bridge.attention import (
    MODE_RAW,
    allowed_keys,
    attend,
    attend_in_steps,
    combined,
    lengthened,
    merge_heads,
    rotate,
    split_heads,
)
from compressor.bridge.lowering import LOWERINGS, LowerContext
from compressor.bridge.tensor_types import torch_type


@LOWERINGS.register("Attention")
def attention(ctx: LowerContext) -> Any:
    """One call of PyTorch's where neither scores nor caps are asked for."""
    if (ctx.has(4), ctx.has(5)) not in ((False, False), (True, True)):
        raise ctx.error("past_key and past_value must be given together")
    precision = ctx.attr("softmax_precision")
    settings = (
        ctx.attr("q_num_heads", 0), ctx.attr("kv_num_heads", 0), ctx.attr("scale"), bool(ctx.attr("is_causal", 0)),
        ctx.attr("left_window_size", -1), ctx.attr("right_window_size", -1), ctx.attr("softcap", 0.0),
        torch_type(precision, f"node {ctx.node.name!r}") if precision else None,
        ctx.attr("qk_matmul_output_mode", MODE_RAW) if ctx.wants(3) else -1,
    )  # fmt: skip
    inputs = [ctx.maybe(slot) for slot in range(7)]
    return ctx.outputs(onnx_attention, 4, *inputs, *settings)


def onnx_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, past_k: Tensor | None, past_v: Tensor | None,
    lengths: Tensor | None, q_heads: int, kv_heads: int, scale: float | None, causal: bool, left: int, right: int,
    cap: float, precision: torch.dtype | None, mode: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:  # fmt: skip
    """Result, present key and value, and the scores that ``mode`` names (-1: none)."""
    packed = q.ndim == 3
    if packed:
        q, k, v = split_heads(q, q_heads), split_heads(k, kv_heads), split_heads(v, kv_heads)
    offset: int | Tensor = 0
    if past_k is not None and past_v is not None:
        offset = past_k.shape[2]
        k, v = torch.cat((past_k, k), 2), torch.cat((past_v, v), 2)
    elif lengths is not None:
        offset = lengths - q.shape[2]
    keys = k.shape[2]
    if mask is not None:
        mask = lengthened(mask, keys)
    if lengths is not None:
        mask = combined(mask, (torch.arange(keys, device=q.device) < lengths.view(-1, 1)).view(-1, 1, 1, keys))
    plain = mask is None and causal and left < 0 and isinstance(offset, int) and offset == 0
    if not plain or mode >= 0:
        mask = combined(mask, allowed_keys(q.shape[2], keys, offset, causal, left, right, q.device))
    scores = None
    if mode >= 0 or precision is not None:
        if plain and mode < 0:
            mask = allowed_keys(q.shape[2], keys, 0, True, -1, -1, q.device)
        y, scores = attend_in_steps(q, k, v, mask, scale, cap, precision, max(mode, 0))
    else:
        y = attend(q, k, v, mask, plain, scale, cap)
    return merge_heads(y) if packed else y, k, v, scores


@LOWERINGS.register("RotaryEmbedding")
def rotary_embedding(ctx: LowerContext) -> Any:
    """Caches by position, or already one row for each position of the input."""
    return ctx.call(
        rotated, ctx.tensor(0), ctx.tensor(1), ctx.tensor(2), ctx.maybe(3), ctx.attr("num_heads", 0),
        ctx.attr("rotary_embedding_dim", 0), bool(ctx.attr("interleaved", 0)),
    )  # fmt: skip


@LOWERINGS.register("com.microsoft::RotaryEmbedding")
def contrib_rotary_embedding(ctx: LowerContext) -> Any:
    """Positions are the second input: one for each token, or where the first one stands."""
    if ctx.attr("scale", 1.0) != 1:
        raise ctx.error("the attribute scale has no lowering")
    size = ctx.attr("rotary_embedding_dim", 0)
    return ctx.call(
        rotated_from, ctx.tensor(0), ctx.tensor(2), ctx.tensor(3), ctx.tensor(1), ctx.attr("num_heads", 0), size,
        bool(ctx.attr("interleaved", 0)),
    )  # fmt: skip


def rotated_from(x: Tensor, cos: Tensor, sin: Tensor, positions: Tensor, *settings: Any) -> Tensor:
    """As ``rotated``; a single position is that of the first token."""
    if positions.ndim == 1:
        time = x.shape[1] if x.ndim == 3 else x.shape[2]
        positions = (positions + torch.arange(time, device=x.device)).expand(x.shape[0], time)
    return rotated(x, cos, sin, positions, *settings)


def rotated(
    x: Tensor, cos: Tensor, sin: Tensor, positions: Tensor | None, heads: int, size: int, interleaved: bool
) -> Tensor:
    """``x``: [batch, heads, time, size] or [batch, time, heads size]; ``size`` 0 turns whole heads."""
    packed = x.ndim == 3
    if positions is not None:
        cos, sin = cos[positions], sin[positions]
    if packed:
        # ONNX Runtime leaves the number of heads out where whole heads turn: the caches tell their size.
        x = split_heads(x, heads or x.shape[-1] // (2 * cos.shape[-1]))
    half = size // 2 or x.shape[-1] // 2
    result = rotate(x, cos[..., :half].unsqueeze(1), sin[..., :half].unsqueeze(1), interleaved)
    return merge_heads(result) if packed else result
