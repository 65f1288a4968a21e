"""What is minimised: labels, the original's logits, its inner tensors, in any combination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from compressor.bridge.label_loss import are_probabilities, is_class_label, label_loss, settled_axis
from compressor.errors import UsageError
from compressor.training.context import FinetuneContext
from compressor.training.features import Feature, matching_features, with_features
from compressor.training.losses import distillation_loss, feature_loss
from compressor.training.tensors import first_output


@dataclass(frozen=True)
class Mixture:
    """loss = (1 - distill) label loss + distill KL to the original + features x distance of inner tensors.

    Attributes:
        distill: from 0 (labels only) to 1 (the original only, no labels needed).
        temperature: of the KL.
        features: weight of the inner tensors, 0 for none.
        feature_names: which, by their names in the graph; none named takes some over the depth.
    """

    distill: float = 0.0
    temperature: float = 4.0
    features: float = 0.0
    feature_names: tuple[str, ...] = ()

    @property
    def needs_teacher(self) -> bool:
        """Whether the original takes part."""
        return self.distill > 0 or self.features > 0


class Objective:
    """The mixture for one module and one kind of data, settled on a first batch.

    Attributes:
        network: what to call with the inputs: the module, or the module with inner tensors as further outputs.
        features: the inner tensors compared.
    """

    def __init__(
        self, module: nn.Module, context: FinetuneContext, mixture: Mixture, inputs: Sequence[Tensor],
        labels: Tensor | None,
    ) -> None:  # fmt: skip
        self.mixture = mixture
        self.network: nn.Module = module
        self.features: list[Feature] = []
        self._teacher: nn.Module | None = None
        if labels is None and mixture.distill < 1:
            raise UsageError(
                "the data has no labels", fix="Give labels, or learn from the original alone: --distill-share 1."
            )
        with torch.no_grad():
            output = first_output(module(*inputs))
        given = None if labels is None or not is_class_label(labels) else labels
        self._axis = settled_axis(output, given)
        one_number = labels is None and output.shape[self._axis] == 1  # a value, or two classes' one logit
        self._classes = not one_number and (labels is None or given is not None)
        self._probabilities = self._classes and are_probabilities(output, self._axis)
        if mixture.needs_teacher:
            self._teacher = context.teacher
        if mixture.features > 0:
            self._compare_inside(module, context, inputs)

    def _compare_inside(self, module: nn.Module, context: FinetuneContext, inputs: Sequence[Tensor]) -> None:
        if not isinstance(module, fx.GraphModule):
            raise UsageError("inner tensors have names only in a module made by from_onnx")
        teacher = context.teacher
        self.features = matching_features(module, teacher, inputs, self.mixture.feature_names, context.kept)
        names = [feature.name for feature in self.features]
        self.network = with_features(module, names)
        self._teacher = with_features(teacher, names).eval()

    def __call__(
        self, network: nn.Module, inputs: Sequence[Tensor], labels: Tensor | None, count: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """(loss to go down, the model's output).

        Args:
            network: ``self.network``, or a wrapper of it for several processes.
            inputs, labels: one batch.
            count: how many of the outputs count, where the last inputs only fill up a batch; None for all.
        """
        output, features = self._split(network(*inputs), count)
        loss = output.new_zeros((), dtype=torch.float32)
        if labels is not None and self.mixture.distill < 1:
            loss = loss + (1 - self.mixture.distill) * label_loss(output, labels, probabilities=self._probabilities)
        if self._teacher is not None:
            with torch.no_grad():
                wanted, targets = self._split(self._teacher(*inputs), count)
            if self.mixture.distill > 0:
                loss = loss + self.mixture.distill * self._distillation(output, wanted)
            if features:
                targets = [feature.of_teacher(value) for feature, value in zip(self.features, targets, strict=True)]
                loss = loss + self.mixture.features * feature_loss(features, targets)
        return loss, output

    def _distillation(self, output: Tensor, wanted: Tensor) -> Tensor:
        if not self._classes:
            return nn.functional.mse_loss(output.float(), wanted.float())
        return distillation_loss(
            output, wanted, self._axis, temperature=self.mixture.temperature, probabilities=self._probabilities
        )

    def _split(self, result: Any, count: int | None) -> tuple[Tensor, list[Tensor]]:
        outputs, features = result if self.features else (result, [])
        return first_output(outputs)[:count], list(features)
