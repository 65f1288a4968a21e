"""Losses against the original: its outputs and its inner tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from compressor.bridge.label_loss import log_probabilities


def distillation_loss(
    output: Tensor, teacher: Tensor, axis: int, *, temperature: float = 4.0, probabilities: bool = False
) -> Tensor:
    """T^2 KL(teacher || student) of the distributions at temperature T, mean over everything but ``axis``.

    Source: Hinton, Vinyals, Dean, Distilling the Knowledge in a Neural Network, arXiv:1503.02531. The factor T^2
    keeps the gradients' size independent of T.
    """
    student_logs = log_probabilities(output, axis, probabilities)
    teacher_logs = log_probabilities(teacher, axis, probabilities)
    student_soft = F.log_softmax(student_logs / temperature, axis)
    teacher_soft = F.log_softmax(teacher_logs / temperature, axis)
    divergence = F.kl_div(student_soft, teacher_soft, reduction="none", log_target=True).sum(axis)
    return divergence.mean() * temperature**2


def feature_loss(features: list[Tensor], targets: list[Tensor]) -> Tensor:
    """Mean over tensors of the squared distance, in units of the teacher's own mean square.

    Source: Romero et al., FitNets, arXiv:1412.6550, without the regressor: pruning
    keeps some of the teacher's channels, so that these compare one to one.
    """
    losses = []
    for feature, target in zip(features, targets, strict=True):
        wanted = target.float()
        scale = wanted.square().mean().clamp_min(1e-12)
        losses.append((feature.float() - wanted).square().mean() / scale)
    return torch.stack(losses).mean()
