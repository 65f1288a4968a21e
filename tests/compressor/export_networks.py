"""Factories for the export command's tests; the file is given to it by path."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from compressor.models.registry import build


class Positions(nn.Module):
    """Learned positions for 8 tokens, so that no longer input fits."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.embedding = nn.Embedding(9, width)
        self.positions = nn.Parameter(torch.randn(8, width))
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(width, 4)
        self.never_read = nn.Linear(2, 2)

    def forward(self, tokens: Tensor, scale: Tensor | None = None) -> dict[str, Tensor]:
        x = self.drop(self.embedding(tokens) + self.positions[: tokens.shape[1]])
        return {"logits": self.head(x if scale is None else x * scale), "mean": x.mean(1)}


class FixedBatch(nn.Module):
    """Runs at any batch, but a trace of it knows the example's only."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(int(x.shape[0]) * 2, -1)


class Restless(nn.Module):
    """Draws random numbers in evaluation mode."""

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x)


class NoOperator(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = torch.linalg.eigvals(x).real
        return values


def digits() -> nn.Module:
    """The demo's network, untrained."""
    return build("digits_cnn")


def failing() -> nn.Module:
    raise OSError("no weights here")


def number() -> int:
    return 3
