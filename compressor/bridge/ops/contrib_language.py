"""com.microsoft's ops of language models: GroupQueryAttention and EmbedLayerNormalization."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.attention import attend, combined, merge_heads, rotate, split_heads
from compressor.bridge.lowering import LOWERINGS, LowerContext


@LOWERINGS.register("com.microsoft::GroupQueryAttention")
def group_query_attention(ctx: LowerContext) -> Any:
    """Causal, with a cache of keys and values and, if asked, rotary positions."""
    if ctx.attr("smooth_softmax", 0) or ctx.has(11):
        raise ctx.error("a smooth softmax or head sink has no lowering")
    if ctx.wants(3):
        raise ctx.error("scores as an output have no lowering")
    inputs = [ctx.tensor(0), *(ctx.maybe(slot) for slot in range(1, 5)), ctx.tensor(5), ctx.host(6)]
    inputs += [ctx.maybe(slot) for slot in range(7, 11)]
    return ctx.outputs(
        group_query, 3, *inputs, ctx.attr("num_heads"), ctx.attr("kv_num_heads"), ctx.attr("scale") or None,
        ctx.attr("softcap", 0.0), bool(ctx.attr("do_rotary", 0)), bool(ctx.attr("rotary_interleaved", 0)),
        ctx.attr("local_window_size", -1),
    )  # fmt: skip


def group_query(
    q: Tensor, k: Tensor | None, v: Tensor | None, past_k: Tensor | None, past_v: Tensor | None, last: Tensor,
    total: int | list[int], cos: Tensor | None, sin: Tensor | None, positions: Tensor | None, bias: Tensor | None,
    heads: int, kv_heads: int, scale: float | None, cap: float, rotary: bool, interleaved: bool, window: int,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """The result, and caches with the new keys and values put in.

    Args:
        q: [batch, time, heads size], or query, key and value side by side.
        past_k, past_v: [batch, kv_heads, longest, size].
        last: [batch], the index of each sequence's last key.
        total: length of the longest sequence.
    """
    if k is None or v is None:
        size = q.shape[-1] // (heads + 2 * kv_heads)
        q, k, v = q.split((heads * size, kv_heads * size, kv_heads * size), -1)
    q, k, v = split_heads(q, heads), split_heads(k, kv_heads), split_heads(v, kv_heads)
    time = q.shape[2]
    longest = total[0] if isinstance(total, list) else total
    # The whole prompt at once starts at 0, even where short sequences end with padding.
    start = torch.zeros_like(last).view(-1) if time == longest else last.view(-1) + 1 - time
    places = start.view(-1, 1).long() + torch.arange(time, device=q.device)
    if rotary and cos is not None and sin is not None:
        at = places if positions is None else positions
        c, s = cos[at].unsqueeze(1), sin[at].unsqueeze(1)
        q, k = rotate(q, c, s, interleaved), rotate(k, c, s, interleaved)
    k, v = _appended(past_k, k, places, longest), _appended(past_v, v, places, longest)
    ahead = torch.arange(k.shape[2], device=q.device) - places.unsqueeze(-1)
    seen = ahead <= 0
    if window > 0:
        seen = seen & (ahead > -window)
    mask = combined(bias, seen.unsqueeze(1))
    return merge_heads(attend(q, k, v, mask, False, scale, cap)), k, v


def _appended(past: Tensor | None, new: Tensor, places: Tensor, longest: int) -> Tensor:
    """The cache, long enough, with ``new`` at ``places`` [batch, time] and nothing after."""
    batch, heads, _, size = new.shape
    length = longest if past is None else max(past.shape[2], longest)
    if past is None:
        cache = new.new_zeros(batch, heads, length, size)
    else:
        cache = F.pad(past, (0, 0, 0, length - past.shape[2]))
        held = torch.arange(length, device=new.device) < places[:, :1]
        cache = cache.masked_fill(~held.view(batch, 1, length, 1), 0)
    return cache.scatter(2, places.view(batch, 1, -1, 1).expand_as(new), new)


@LOWERINGS.register("com.microsoft::EmbedLayerNormalization")
def embed_layer_norm(ctx: LowerContext) -> Any:
    """Word, position and segment embeddings summed and normalised."""
    inputs = [ctx.tensor(0), ctx.maybe(1), ctx.tensor(2), ctx.tensor(3), ctx.maybe(4), ctx.tensor(5), ctx.tensor(6)]
    return ctx.outputs(embedded, 3, *inputs, ctx.maybe(7), ctx.maybe(8), ctx.attr("epsilon", 1e-12))


def embedded(
    ids: Tensor, segments: Tensor | None, words: Tensor, places: Tensor, kinds: Tensor | None, scale: Tensor,
    bias: Tensor, mask: Tensor | None, positions: Tensor | None, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """The result, how many tokens of each sequence the mask shows, and the sum."""
    total = F.embedding(ids, words)
    at = torch.arange(ids.shape[1], device=ids.device).unsqueeze(0) if positions is None else positions
    total = total + F.embedding(at, places)
    if segments is not None and kinds is not None:
        total = total + F.embedding(segments, kinds)
    counts = ids.new_zeros(ids.shape[0]) if mask is None else mask.sum(1)
    return F.layer_norm(total, scale.shape, scale, bias, eps), counts.to(torch.int32), total
