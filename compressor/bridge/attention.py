"""Scaled dot-product attention with everything ONNX and ONNX Runtime attach to it: [batch, heads, time, size]."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MODE_RAW, MODE_CAPPED, MODE_BIASED, MODE_WEIGHTS = range(4)  # Attention's qk_matmul_output_mode


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[batch, time, heads size] as [batch, heads, time, size]."""
    apart: Tensor = x.unflatten(-1, (heads, -1))
    return apart.transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """[batch, heads, time, size] as [batch, time, heads size]."""
    return x.transpose(1, 2).flatten(2)


def allowed_keys(
    queries: int, keys: int, offset: int | Tensor, is_causal: bool, left: int, right: int, device: torch.device
) -> Tensor | None:
    """Which keys each query may see: [queries, keys], or [batch, 1, queries, keys]; None for all.

    Args:
        offset: how many keys precede the first query; a tensor [batch] if that differs.
        left, right: how far a query sees; -1 is without end.
    """
    if not is_causal and left < 0 and right < 0:
        return None
    start = offset.view(-1, 1, 1, 1) if isinstance(offset, Tensor) else offset
    ahead = torch.arange(keys, device=device) - torch.arange(queries, device=device).unsqueeze(1) - start
    far = 0 if is_causal else right
    allowed = torch.ones_like(ahead, dtype=torch.bool)
    if far >= 0:
        allowed = allowed & (ahead <= far)
    return allowed & (ahead >= -left) if left >= 0 else allowed


def combined(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    """Two masks in one: truth values both must hold; numbers are added, false is minus infinity."""
    if first is None or second is None:
        return first if second is None else second
    if first.dtype == torch.bool and second.dtype == torch.bool:
        return first & second
    number, other = (second, first) if first.dtype == torch.bool else (first, second)
    return torch.where(other, number, -torch.inf) if other.dtype == torch.bool else number + other


def lengthened(mask: Tensor, keys: int) -> Tensor:
    """A mask of fewer keys: the others are hidden."""
    short = keys - mask.shape[-1]
    if short <= 0 or mask.shape[-1] == 1:
        return mask
    return F.pad(mask, (0, short), value=False if mask.dtype == torch.bool else -torch.inf)


def attend(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, scale: float | None, cap: float = 0.0
) -> Tensor:
    """Heads of the query may be a multiple of those of key and value; fully masked rows give zeros.

    Args:
        mask: broadcasts to [batch, heads, queries, keys]: truth values, or numbers to add.
        causal: query i sees keys up to i; with no ``mask``.
        scale: None is 1 / sqrt(size).
        cap: scores are kept within, by tanh; 0 for not.
    """
    grouped = q.shape[1] != k.shape[1]
    if not cap:
        return F.scaled_dot_product_attention(q, k, v, mask, 0.0, causal, scale=scale, enable_gqa=grouped)
    if causal:
        mask = combined(mask, allowed_keys(q.shape[2], k.shape[2], 0, True, -1, -1, q.device))
    return attend_in_steps(q, k, v, mask, scale, cap, None, MODE_WEIGHTS)[0]


def attend_in_steps(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float | None, cap: float,
    precision: torch.dtype | None, mode: int,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The result and, by ``mode``, the scores: raw, after the cap, with the mask added, or after the softmax."""
    if q.shape[1] != k.shape[1]:
        k, v = (x.repeat_interleave(q.shape[1] // x.shape[1], 1) for x in (k, v))
    root = math.sqrt(1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    scores = [(q * root) @ (k * root).mT]
    scores.append(cap * torch.tanh(scores[0] / cap) if cap else scores[0])
    biased = scores[1]
    if mask is not None:
        biased = biased.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else biased + mask
    scores.append(biased)
    weights = torch.softmax(biased if precision is None else biased.to(precision), -1)
    if mask is not None:
        hidden = ~mask if mask.dtype == torch.bool else mask == -torch.inf
        weights = weights.masked_fill(hidden.all(-1, keepdim=True), 0)
    scores.append(weights.to(q.dtype))
    return scores[MODE_WEIGHTS] @ v, scores[mode]


def rotate(x: Tensor, cos: Tensor, sin: Tensor, interleaved: bool) -> Tensor:
    """Rotary positions: ``cos`` and ``sin``, [batch or 1, 1, time, half], of the first 2 half numbers of each head."""
    half = cos.shape[-1]
    turned, rest = x[..., : 2 * half], x[..., 2 * half :]
    first, second = (turned[..., ::2], turned[..., 1::2]) if interleaved else turned.chunk(2, -1)
    real, imaginary = cos * first - sin * second, sin * first + cos * second
    pair = (
        torch.stack((real, imaginary), -1).flatten(-2) if interleaved else torch.cat((real, imaginary), -1)
    )  # fmt: skip
    return torch.cat((pair, rest), -1) if rest.shape[-1] else pair
