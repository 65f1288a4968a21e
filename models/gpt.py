"""Decoder-only language model with rotary positions, grouped-query attention, RMS norm and SwiGLU.

Sources: Su et al., 2021, arXiv:2104.09864; Ainslie et al., 2023, arXiv:2305.13245;
Zhang & Sennrich, 2019, arXiv:1910.07467; Shazeer, 2020, arXiv:2002.05202.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from compressor.models.registry import MODELS, InputSpec, takes

VOCABULARY = 64
TOKENS = 16


def rotary_table(tokens: int, head_width: int, base: float = 10_000.0) -> tuple[Tensor, Tensor]:
    """Cosines and sines, each [tokens, head_width]; the second half repeats the first."""
    frequencies = base ** (-torch.arange(0, head_width, 2) / head_width)
    angles = torch.outer(torch.arange(tokens), frequencies).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turns each pair (x_i, x_{i + d/2}) of [N, heads, T, d] by its angle."""
    first, second = x.chunk(2, dim=-1)
    return x * cosines + torch.cat([-second, first], -1) * sines


class RmsNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * scale over the last axis; ``nn.RMSNorm`` has no TorchScript export."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.scale


class GroupedQueryAttention(nn.Module):
    """Causal attention over [N, T, C] in which ``heads / kv_heads`` query heads share keys and values."""

    def __init__(self, width: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_width = heads, kv_heads, width // heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, kv_heads * self.head_width, bias=False)
        self.value = nn.Linear(width, kv_heads * self.head_width, bias=False)
        self.output = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        q = self.query(x).view(batch, tokens, self.heads, self.head_width).transpose(1, 2)
        k = self.key(x).view(batch, tokens, self.kv_heads, self.head_width).transpose(1, 2)
        v = self.value(x).view(batch, tokens, self.kv_heads, self.head_width).transpose(1, 2)
        sharing = self.heads // self.kv_heads
        q = rotate(q, cosines, sines)
        k = rotate(k, cosines, sines).repeat_interleave(sharing, dim=1)
        mixed = scaled_dot_product_attention(q, k, v.repeat_interleave(sharing, dim=1), is_causal=True)
        y: Tensor = self.output(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return y


class SwiGlu(nn.Module):
    """down(silu(gate(x)) * up(x))."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.down = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.down(silu(self.gate(x)) * self.up(x))
        return y


class DecoderBlock(nn.Module):
    """Pre-normalised attention and SwiGLU, each around a shortcut."""

    def __init__(self, width: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.attention_norm = RmsNorm(width)
        self.attention = GroupedQueryAttention(width, heads, kv_heads)
        self.mlp_norm = RmsNorm(width)
        self.mlp = SwiGlu(width, 2 * width)

    def forward(self, x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), cosines, sines)
        y: Tensor = x + self.mlp(self.mlp_norm(x))
        return y


class Gpt(nn.Module):
    """int64 tokens [N, ``tokens``] -> logits [N, ``tokens``, ``vocabulary``]."""

    cosines: Tensor
    sines: Tensor

    def __init__(
        self, width: int = 64, heads: int = 4, kv_heads: int = 2, depth: int = 2, *, vocabulary: int = VOCABULARY,
        tokens: int = TOKENS,
    ) -> None:  # fmt: skip
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.blocks = nn.ModuleList(DecoderBlock(width, heads, kv_heads) for _ in range(depth))
        self.norm = RmsNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        cosines, sines = rotary_table(tokens, width // heads)
        self.register_buffer("cosines", cosines, persistent=False)
        self.register_buffer("sines", sines, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, self.cosines, self.sines)
        logits: Tensor = self.head(self.norm(x))
        return logits


@MODELS.register("gpt")
@takes(InputSpec((TOKENS,), vocabulary=VOCABULARY))
def gpt() -> nn.Module:
    """Two blocks, width 64, 4 query heads sharing 2 key-value heads."""
    return Gpt()
