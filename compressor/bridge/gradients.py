"""Gradients and squared gradients of every trained initializer, summed over samples: what criteria score by.

found = accumulate(module, batches)
gradient, square = found.sums["conv1.weight"]

The sum of squared per-sample gradients is the diagonal of the Fisher information times the number of samples:
empirical with the labels given, true with labels sampled from the model's own predictions (Kunstner, Balles,
Hennig, Limitations of the empirical Fisher approximation, arXiv:1905.12558).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from compressor.bridge.label_loss import are_probabilities, is_class_label, label_loss, log_probabilities, settled_axis
from compressor.bridge.onnx_module import OnnxModule
from compressor.bridge.tensor_types import to_torch
from compressor.errors import UsageError

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
Labels: TypeAlias = Literal["given", "sampled"]
Squares: TypeAlias = Literal["batch", "sample"]

_CHUNK_NUMBERS = 2**26  # per-sample gradients held at once: 256 MiB in float32


class LabelledBatch(Protocol):
    """Some samples as arrays."""

    @property
    def inputs(self) -> Sequence[NDArray[Any]]:
        """One array a model input; the first axis counts samples."""

    @property
    def labels(self) -> NDArray[Any] | None:
        """As many labels, or None."""


@dataclass(frozen=True)
class Gradients:
    """What was accumulated.

    Attributes:
        sums: initializer name -> (sum of gradients, sum of squared gradients), float32, of the initializer's shape.
        samples: how many samples were looked at.
        loss: mean over the samples.
        method: how squares were taken: "batch", "vmap" or "one by one".
    """

    sums: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]
    samples: int
    loss: float
    method: str


def accumulate(
    module: OnnxModule, batches: Iterable[LabelledBatch], loss: Loss | None = None, labels: Labels = "given",
    seed: int = 0, squares: Squares = "batch",
) -> Gradients:  # fmt: skip
    """Sums over all samples, in evaluation mode; the module is left as it was.

    Args:
        module: what ``from_onnx`` made, on any device.
        batches: the samples.
        loss: ``loss(first output, labels)`` -> mean over the samples; None takes cross-entropy for class labels and
            squared error for floating-point ones.
        labels: "given", or "sampled": drawn from the model's own predictions (classes from its distribution,
            values from a normal distribution of unit variance around its output). Without any labels the output is
            taken for classes: on axis 1 where it has four axes or more, else on the last.
        seed: of sampled labels.
        squares: of each "sample", exact: by vmap where the graph allows it, else one backward pass a sample; or of
            each "batch": a batch of n adds n times its mean gradient squared, which costs nothing but is smaller
            than the true sum, by a factor of up to n. The sum of gradients is the same in all ways.

    Raises:
        UsageError: no batches, no labels where they are needed, or a loss that is no number.
    """
    work = _Accumulator(module, loss, labels, seed, squares)
    training = module.training
    wanted = {name: parameter.requires_grad for name, parameter in module.named_parameters()}
    module.eval().requires_grad_(True)
    try:
        for batch in batches:
            work.add(batch)
    finally:
        module.train(training)
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(wanted[name])
    return work.result()


class _Accumulator:
    def __init__(self, module: OnnxModule, loss: Loss | None, labels: Labels, seed: int, squares: Squares) -> None:
        if labels not in ("given", "sampled") or squares not in ("batch", "sample"):
            raise UsageError(f"labels {labels!r}, squares {squares!r}", fix="Choose given or sampled, batch or sample.")
        self._module, self._loss, self._labels = module, loss, labels
        self._parameters = dict(module.named_parameters())
        device = next((parameter.device for parameter in self._parameters.values()), torch.device("cpu"))
        self._device, self._generator = device, torch.Generator(device).manual_seed(seed)
        self._sums = {name: torch.zeros_like(p, dtype=torch.float32) for name, p in self._parameters.items()}
        self._squares = {name: torch.zeros_like(total) for name, total in self._sums.items()}
        self._samples, self._loss_sum = 0, 0.0
        self._method = "batch" if squares == "batch" else self._first_choice()
        self._probabilities: bool | None = None

    def _first_choice(self) -> str:
        """vmap holds the gradients of several samples at once; for large models that is no gain."""
        count = sum(parameter.numel() for parameter in self._parameters.values())
        self._chunk = max(1, _CHUNK_NUMBERS // max(1, count))
        return "vmap" if self._chunk > 1 else "one by one"

    def add(self, batch: LabelledBatch) -> None:
        """One batch more."""
        inputs = tuple(to_torch(array, "data").to(self._device) for array in batch.inputs)
        given = None if batch.labels is None else to_torch(batch.labels, "labels").to(self._device)
        count = len(inputs[0])
        if self._method == "batch":
            with torch.enable_grad():
                output = self._output(inputs)
                self._backward(output, self._labels_for(output.detach(), given), count)
        else:
            with torch.no_grad():
                labels = self._labels_for(self._output(inputs), given)
            self._add_samples(inputs, labels)
        self._samples += count
        if not math.isfinite(self._loss_sum):
            raise UsageError(f"the loss is {self._loss_sum}", fix="Check the data's scale and the labels.")

    def _output(self, inputs: Sequence[Tensor]) -> Tensor:
        result = self._module(*inputs)
        output: Tensor = result[0] if isinstance(result, tuple) else result
        return output

    def _backward(self, output: Tensor, labels: Tensor, count: int) -> None:
        loss = self._loss_of(output, labels)
        found = torch.autograd.grad(loss, list(self._parameters.values()), allow_unused=True)
        self._loss_sum += float(loss.detach()) * count
        for name, gradient in zip(self._parameters, found, strict=True):
            if gradient is not None:
                self._sums[name] += gradient.float() * count
                self._squares[name] += gradient.float().square() * count

    def _add_samples(self, inputs: tuple[Tensor, ...], labels: Tensor) -> None:
        if self._method == "vmap":
            found = self._by_vmap(inputs, labels)
            if found is not None:
                self._add_all(*found)
                return
            self._method = "one by one"
        for index in range(len(labels)):
            one = slice(index, index + 1)
            with torch.enable_grad():
                self._backward(self._output([tensor[one] for tensor in inputs]), labels[one], 1)

    def _by_vmap(self, inputs: tuple[Tensor, ...], labels: Tensor) -> tuple[dict[str, Tensor], Tensor] | None:
        """(gradients with an axis for samples, losses); None where the graph does not run under vmap."""
        buffers = dict(self._module.named_buffers())
        plain = {name: parameter.detach() for name, parameter in self._parameters.items()}

        def one(parameters: dict[str, Tensor], label: Tensor, *sample: Tensor) -> tuple[Tensor, Tensor]:
            arguments = tuple(tensor.unsqueeze(0) for tensor in sample)
            result = torch.func.functional_call(self._module, {**parameters, **buffers}, arguments)
            loss = self._loss_of(result[0] if isinstance(result, tuple) else result, label.unsqueeze(0))
            return loss, loss

        each = torch.func.vmap(
            torch.func.grad(one, has_aux=True), in_dims=(None, 0, *(0 for _ in inputs)), chunk_size=self._chunk
        )
        try:
            with sdpa_kernel(SDPBackend.MATH):  # the others have no rule for vmap and fall back to a slow, noisy loop
                found: tuple[dict[str, Tensor], Tensor] = each(plain, labels, *inputs)
        except RuntimeError:  # what vmap has no rule for, and shapes that depend on values
            if self._samples:
                raise  # it ran before: something else is wrong
            return None
        return found

    def _add_all(self, gradients: dict[str, Tensor], losses: Tensor) -> None:
        self._loss_sum += float(losses.sum())
        for name, gradient in gradients.items():
            self._sums[name] += gradient.float().sum(0)
            self._squares[name] += gradient.float().square().sum(0)

    def _loss_of(self, output: Tensor, labels: Tensor) -> Tensor:
        if self._loss is not None:
            return self._loss(output, labels)
        return label_loss(output, labels, probabilities=bool(self._probabilities))

    def _labels_for(self, output: Tensor, given: Tensor | None) -> Tensor:
        """The labels of a batch; settles on the first one whether the model ends in a softmax."""
        classes = given is None or is_class_label(given)
        given = given.long() if given is not None and classes else given
        axis = settled_axis(output, given) if classes else -1
        if self._probabilities is None:
            self._probabilities = classes and are_probabilities(output, axis)
        if self._labels == "given":
            if given is None:
                raise UsageError("the data has no labels", fix='Give labels, or ask for labels="sampled".')
            return given
        if not classes:
            noise = torch.randn(output.shape, generator=self._generator, device=output.device)
            return output.float() + noise
        chances = log_probabilities(output, axis, bool(self._probabilities)).exp().movedim(axis, -1)
        flat = torch.multinomial(chances.reshape(-1, chances.shape[-1]), 1, generator=self._generator)
        return flat.reshape(chances.shape[:-1])

    def result(self) -> Gradients:
        """The sums under the initializers' names."""
        if not self._samples:
            raise UsageError("there are no samples", fix="Give at least one batch.")
        names = self._module.report.initializers
        sums = {names[name]: (self._sums[name].cpu().numpy(), self._squares[name].cpu().numpy()) for name in self._sums}
        return Gradients(sums, self._samples, self._loss_sum / self._samples, self._method)
