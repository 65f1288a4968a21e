"""Attention as ONNX Runtime's fused ops have it: com.microsoft's Attention and MultiHeadAttention.

A mask there adds ``mask_filter_value``, no infinity: a row with every key hidden still attends to all of them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from compressor.bridge.attention import allowed_keys, attend, combined, merge_heads, split_heads
from compressor.bridge.lowering import LOWERINGS, LowerContext

_FILTER = -10000.0


def mask_numbers(mask: Tensor, like: Tensor, keys: int, value: float) -> Tensor:
    """What to add to scores, from any of ONNX Runtime's forms of a mask: 0, or ``value`` at hidden keys.

    Args:
        mask: lengths [batch]; ends then starts [2 batch]; or ones at keys to see: [batch, keys],
            [batch, queries, keys], [batch, 1, longest, longest].
        like: the query, [batch, heads, queries, size].
    """
    batch, queries = like.shape[0], like.shape[2]
    if mask.ndim == 1:
        places = torch.arange(keys, device=mask.device)
        ends = mask[:batch].view(-1, 1)
        seen = places < ends
        if mask.shape[0] == 2 * batch:
            seen = seen & (places >= mask[batch:].view(-1, 1))
        elif mask.shape[0] != batch:
            raise ValueError(f"a mask of {mask.shape[0]} numbers for {batch} sequences is not understood")
    else:
        seen = mask != 0
    if seen.ndim == 2:
        seen = seen[:, None, None, :]
    elif seen.ndim == 3:
        seen = seen[:, None]
    else:
        seen = seen[..., keys - queries : keys, :keys]
    return torch.zeros((), dtype=like.dtype, device=like.device).masked_fill(~seen, value)


def masked_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, bias: Tensor | None, past: int, causal: bool,
    scale: float | None, filter_value: float,
) -> Tensor:  # fmt: skip
    """[batch, queries, heads size]; the keys include ``past`` earlier ones."""
    numbers = None if mask is None else mask_numbers(mask, q, k.shape[2], filter_value)
    numbers = combined(numbers, bias)
    if causal and (numbers is not None or past):
        numbers = combined(numbers, allowed_keys(q.shape[2], k.shape[2], past, True, -1, -1, q.device))
    return merge_heads(attend(q, k, v, numbers, causal and numbers is None, scale))


@LOWERINGS.register("com.microsoft::Attention")
def packed_attention(ctx: LowerContext) -> Any:
    """Projects query, key and value itself, by one weight."""
    if ctx.attr("do_rotary", 0) or ctx.attr("past_present_share_buffer", 0):
        raise ctx.error("rotary positions and shared buffers have no lowering")
    inputs = [ctx.tensor(0), ctx.tensor(1), *(ctx.maybe(slot) for slot in range(2, 6))]
    sizes = ctx.attr("qkv_hidden_sizes")
    return ctx.outputs(
        projected_attention, 2, *inputs, ctx.attr("num_heads"), sizes and tuple(sizes),
        bool(ctx.attr("unidirectional", 0)), ctx.attr("scale") or None, ctx.attr("mask_filter_value", _FILTER),
    )  # fmt: skip


def projected_attention(
    x: Tensor, weight: Tensor, bias: Tensor | None, mask: Tensor | None, past: Tensor | None, scores: Tensor | None,
    heads: int, sizes: tuple[int, ...] | None, causal: bool, scale: float | None, filter_value: float,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The result, and key and value of all tokens: [2, batch, heads, time, size]."""
    together = x @ weight if bias is None else x @ weight + bias
    width = weight.shape[1] // 3
    q, k, v = (split_heads(part, heads) for part in together.split(sizes or (width,) * 3, -1))
    before = 0
    if past is not None:
        before = past.shape[3]
        k, v = torch.cat((past[0], k), 2), torch.cat((past[1], v), 2)
    y = masked_attention(q, k, v, mask, scores, before, causal, scale, filter_value)
    # Present holds both in one tensor, so it exists only where they are of one size.
    return y, torch.stack((k, v)) if k.shape == v.shape else k


@LOWERINGS.register("com.microsoft::MultiHeadAttention")
def multi_head_attention(ctx: LowerContext) -> Any:
    """Query, key and value apart, or packed in one of two ways."""
    if ctx.has(8) or ctx.has(9) or ctx.wants(3):
        raise ctx.error("shared buffers, beams and scores as an output have no lowering")
    inputs = [ctx.tensor(0), *(ctx.maybe(slot) for slot in range(1, 8))]
    return ctx.outputs(
        multi_head, 3, *inputs, ctx.attr("num_heads"), bool(ctx.attr("unidirectional", 0)), ctx.attr("scale") or None,
        ctx.attr("mask_filter_value", _FILTER),
    )  # fmt: skip


def multi_head(
    q: Tensor, k: Tensor | None, v: Tensor | None, bias: Tensor | None, mask: Tensor | None, scores: Tensor | None,
    past_k: Tensor | None, past_v: Tensor | None, heads: int, causal: bool, scale: float | None, filter_value: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """The result, and keys and values of all tokens."""
    if k is None:
        q, k, v = (part.flatten(2) for part in q.unbind(3))
    elif v is None:
        k, v = (part.flatten(2) for part in k.unbind(3))
    if bias is not None:
        widths = [q.shape[-1], *[x.shape[-1] if x.ndim == 3 else x.shape[1] * x.shape[3] for x in (k, v)]]
        parts = bias.split(widths)
        q, k, v = (x + part if x.ndim == 3 else x for x, part in zip((q, k, v), parts, strict=True))
    q, k, v = (split_heads(x, heads) if x.ndim == 3 else x for x in (q, k, v))
    before = 0
    if past_k is not None and past_v is not None:
        before = past_k.shape[2]
        k, v = torch.cat((past_k, k), 2), torch.cat((past_v, v), 2)
    return masked_attention(q, k, v, mask, scores, before, causal, scale, filter_value), k, v
