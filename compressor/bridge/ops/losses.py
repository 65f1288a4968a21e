"""SoftmaxCrossEntropyLoss and NegativeLogLikelihoodLoss."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compressor.bridge.lowering import LOWERINGS, LowerContext

_NOBODY = -100  # PyTorch's way to say that no class is ignored


def nll_loss(x: Tensor, labels: Tensor, weight: Tensor | None, ignored: int, reduction: str) -> Tensor:
    """``x``: log probabilities [N, C, ...]; ``labels``: [N, ...] of any whole type."""
    return F.nll_loss(x, labels.long(), weight, ignore_index=ignored, reduction=reduction)


def _settings(ctx: LowerContext) -> tuple[Any, ...]:
    return ctx.tensor(1), ctx.maybe(2), ctx.attr("ignore_index", _NOBODY), ctx.attr("reduction", "mean")


@LOWERINGS.register("NegativeLogLikelihoodLoss")
def negative_log_likelihood(ctx: LowerContext) -> Any:
    """Of log probabilities."""
    return ctx.call(nll_loss, ctx.tensor(0), *_settings(ctx))


@LOWERINGS.register("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(ctx: LowerContext) -> Any:
    """Of scores; the log probabilities are the second output."""
    log_probabilities = ctx.call(torch.log_softmax, ctx.tensor(0), 1)
    return ctx.call(nll_loss, log_probabilities, *_settings(ctx)), log_probabilities
