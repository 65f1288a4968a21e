"""Loss and accuracy on labelled samples, of a module and of a file in ONNX Runtime, computed alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from compressor.backends.base import Session, open_model
from compressor.bridge.label_loss import (
    IGNORED_LABEL,
    are_probabilities,
    class_axis,
    is_class_label,
    label_loss,
    right_answers,
)
from compressor.errors import UsageError
from compressor.training.data import Array, Batch, Samples, filled_up, in_order
from compressor.training.tensors import first_output, on_device


@dataclass(frozen=True)
class Evaluation:
    """How well a model does.

    Attributes:
        loss: mean cross-entropy of class labels, or mean squared error of floating-point ones.
        accuracy: share of class labels found; None for floating-point labels.
        samples: how many were looked at.
    """

    loss: float
    accuracy: float | None
    samples: int

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


def evaluate_module(
    module: nn.Module, samples: Samples, *, batch_size: int = 256, device: torch.device | None = None
) -> Evaluation:
    """Loss and accuracy of a module, in evaluation mode; its mode and device are as before afterwards.

    Args:
        module: as it is; its first output counts.
        samples: with labels, such as ``FinetuneContext.validation``.
        batch_size: samples at a time.
        device: where samples go; by default to the module's parameters.
    """
    device = device or next((tensor.device for tensor in module.parameters()), torch.device("cpu"))
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            return _evaluate(lambda inputs: first_output(module(*inputs)), in_order(samples, batch_size), device)
    finally:
        module.train(training)


def evaluate_file(path: Path, samples: Samples, *, batch_size: int = 256, threads: int | None = None) -> Evaluation:
    """Loss and accuracy of a model file in ONNX Runtime on the CPU.

    Args:
        path: an ONNX file; its first output counts.
        samples: with labels.
        batch_size: samples at a time, where the file leaves that open.
        threads: threads per operator; None takes every CPU this process may use.
    """
    with open_model(path, threads=threads) as session:
        first = session.inputs[0].shape[0] if session.inputs[0].shape else None
        fixed = first if isinstance(first, int) else None

        def run(inputs: tuple[Tensor, ...]) -> Tensor:
            return torch.from_numpy(_run_padded(session, [tensor.numpy() for tensor in inputs], fixed))

        return _evaluate(run, in_order(samples, fixed or batch_size), torch.device("cpu"))


def _run_padded(session: Session, inputs: list[Array], size: int | None) -> Array:
    """The first output; a last batch that is too small for a fixed size is filled up and its output cut."""
    count = len(inputs[0])
    feeds = {spec.name: array for spec, array in zip(session.inputs, filled_up(inputs, size or count), strict=True)}
    return session.run(feeds)[session.output_names[0]][:count]


def _evaluate(
    run: Callable[[tuple[Tensor, ...]], Tensor], batches: Iterable[Batch], device: torch.device
) -> Evaluation:
    """Means over labels, so that the size of the batches does not matter."""
    loss_sum, weight, right, classes, rows = 0.0, 0, 0, False, 0
    probabilities: bool | None = None
    for batch in batches:
        inputs, labels = on_device(batch, device)
        if labels is None:
            raise UsageError("evaluation needs labels", fix="Give data with labels.")
        output = run(inputs).float()
        classes = is_class_label(labels)
        if probabilities is None:
            probabilities = classes and are_probabilities(output, class_axis(output, labels))
        rows += len(batch)
        counted = label_count(labels)
        if counted:
            loss_sum += float(label_loss(output, labels, probabilities=probabilities)) * counted
            weight += counted
        if classes:
            right += right_answers(output, labels)[0]
    if not weight:
        raise UsageError("no label counts", fix=f"Labels of {IGNORED_LABEL} are left out: give others.")
    return Evaluation(loss_sum / weight, right / weight if classes else None, rows)


def label_count(labels: Tensor) -> int:
    """How many labels count."""
    return int((labels != IGNORED_LABEL).sum()) if is_class_label(labels) else labels.numel()
