"""Vision transformer (Dosovitskiy et al., 2020, arXiv:2010.11929)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from compressor.models.registry import MODELS, InputSpec, takes


class SelfAttention(nn.Module):
    """Multi-head attention over [N, T, C], with one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
        y: Tensor = self.output(mixed.transpose(1, 2).reshape(batch, tokens, width))
        return y


class EncoderBlock(nn.Module):
    """Pre-normalised attention and MLP, each around a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(0.1), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        y: Tensor = x + self.mlp(x)
        return y


class Vit(nn.Module):
    """[N, 3, 32, 32] -> [N, classes]; 8x8 patches, a class token, learned positions."""

    def __init__(self, width: int = 48, heads: int = 3, depth: int = 2, classes: int = 10) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 8, stride=8)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 17, width))
        self.blocks = nn.Sequential(*(EncoderBlock(width, heads) for _ in range(depth)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, classes))

    def forward(self, image: Tensor) -> Tensor:
        patches = self.patches(image).flatten(2).transpose(1, 2)
        class_token = self.class_token.expand(patches.shape[0], -1, -1)
        tokens = torch.cat([class_token, patches], 1) + self.positions
        logits: Tensor = self.head(self.blocks(tokens)[:, 0])
        return logits


@MODELS.register("vit")
@takes(InputSpec((3, 32, 32)))
def vit() -> nn.Module:
    """Two blocks, width 48, 3 heads."""
    return Vit()
