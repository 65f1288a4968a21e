"""Loss of a model's output on labels: which axis the classes are on, logits or probabilities, what does not count."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from compressor.errors import UsageError

IGNORED_LABEL = -100
"""Token and pixel labels of this value do not count, as in PyTorch."""


def class_axis(output: Tensor, labels: Tensor) -> int:
    """The axis of ``output`` that runs over classes, for whole-number labels.

    [N, C] with [N]; [N, T, C] with [N, T] (tokens); [N, C, H, W] with [N, H, W] (pixels). Where both readings
    fit, classes are last.

    Raises:
        UsageError: the shapes fit no reading.
    """
    if labels.shape == output.shape[:-1]:
        return output.ndim - 1
    if output.ndim > 2 and labels.shape == output.shape[:1] + output.shape[2:]:
        return 1
    raise UsageError(
        f"labels {list(labels.shape)} do not fit an output {list(output.shape)}",
        fix="Give whole-number labels without the class axis, or floating-point labels of the output's shape.",
    )


def settled_axis(output: Tensor, labels: Tensor | None) -> int:
    """``class_axis``, and without labels the likely one: axis 1 of pictures (four axes or more), else the last."""
    if labels is not None:
        return class_axis(output, labels)
    return 1 if output.ndim >= 4 else output.ndim - 1


def is_class_label(labels: Tensor) -> bool:
    """Whole numbers are classes, floating-point numbers are values."""
    return not labels.is_floating_point()


def are_probabilities(output: Tensor, axis: int) -> bool:
    """Does the output come from a softmax over ``axis``? Logits sum to one there in no realistic case."""
    values = output.detach().float()
    if values.shape[axis] < 2 or values.min() < 0:
        return False
    return bool(((values.sum(axis) - 1).abs() < 1e-3).all())


def log_probabilities(output: Tensor, axis: int, probabilities: bool) -> Tensor:
    """Logarithms of class probabilities in float32, from logits or, where the model ends in a softmax, from those."""
    values = output.float()
    if probabilities:
        return values.clamp_min(torch.finfo(torch.float32).tiny).log()
    return F.log_softmax(values, axis)


def label_loss(output: Tensor, labels: Tensor, *, probabilities: bool = False) -> Tensor:
    """Mean cross-entropy for class labels, mean squared error for floating-point ones.

    Args:
        output: logits (or probabilities) [N, C], [N, ..., C] or [N, C, ...]; values of any shape.
        labels: int64 without the class axis, or floats of the output's shape.
        probabilities: the model ends in a softmax.
    """
    if is_class_label(labels):
        axis = class_axis(output, labels)
        logs = log_probabilities(output, axis, probabilities).movedim(axis, 1)
        try:
            total = F.nll_loss(logs, labels.long(), ignore_index=IGNORED_LABEL, reduction="sum")
        except IndexError as error:  # so on CPUs; CUDA's kernels stop the process
            raise UsageError(
                f"a label is none of the model's {logs.shape[1]} classes",
                fix=f"Give labels from 0 to {logs.shape[1] - 1}, or {IGNORED_LABEL} for what does not count.",
            ) from error
        return total / (labels != IGNORED_LABEL).sum().clamp_min(1)  # zero, not NaN, where no label counts
    if labels.numel() != output.numel():
        class_axis(output, labels)  # says what fits
    return F.mse_loss(output.float(), labels.float().reshape(output.shape))


def right_answers(output: Tensor, labels: Tensor) -> tuple[int, int]:
    """(labels found by the largest output, labels that count)."""
    found = output.argmax(class_axis(output, labels))
    counted = labels != IGNORED_LABEL
    return int(((found == labels) & counted).sum()), int(counted.sum())
