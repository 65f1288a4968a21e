"""The objective on the validation samples, over all processes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from compressor.bridge.label_loss import is_class_label, right_answers
from compressor.training.context import FinetuneContext
from compressor.training.data import Batch, filled_up, in_order
from compressor.training.evaluate import label_count
from compressor.training.objective import Objective
from compressor.training.tensors import on_device


@dataclass(frozen=True)
class Validation:
    """Means over the validation samples; ``accuracy`` is None without class labels."""

    loss: float
    accuracy: float | None


def validate(objective: Objective, context: FinetuneContext, batch_size: int) -> Validation | None:
    """The objective in evaluation mode; None without validation samples.

    Args:
        batch_size: samples at a time. Where the file has a fixed batch, the last ones are filled up to so many.
    """
    if context.validation is None:
        return None
    network, workers = objective.network, context.workers
    loss_sum, weight, right, classes = 0.0, 0, 0, 0
    network.eval()
    with torch.no_grad():
        for batch in in_order(context.validation, batch_size, workers.rank, workers.world_size):
            full = filled_up(batch.inputs, batch_size) if context.batch_is_fixed else batch.inputs
            inputs, labels = on_device(Batch(full, batch.labels), context.device)
            counted = len(batch) if labels is None else label_count(labels)
            if counted == 0:
                continue
            loss, output = objective(network, inputs, labels, len(batch))
            loss_sum += float(loss) * counted
            weight += counted
            if labels is not None and is_class_label(labels):
                found, of = right_answers(output, labels)
                right, classes = right + found, classes + of
    sums = workers.summed([loss_sum, float(weight), float(right), float(classes)], context.device)
    return Validation(sums[0] / sums[1] if sums[1] else math.nan, sums[2] / sums[3] if sums[3] else None)
