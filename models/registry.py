"""The small networks by name, each with the inputs it takes.

A network is one file of this package: a factory decorated with ``@MODELS.register(name)`` over
``@takes(InputSpec(...), ...)``. Torch is imported by those files, not by this one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compressor.extras import require_torch
from compressor.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class InputSpec:
    """One input of a network.

    Args:
        shape: without the batch axis, e.g. (3, 32, 32) for a picture.
        vocabulary: None for float32 inputs; else the input is int64 in [0, vocabulary).
    """

    shape: tuple[int, ...]
    vocabulary: int | None = None


@dataclass(frozen=True)
class NetworkSpec:
    """A factory of untrained modules and the inputs their ``forward`` takes, in order."""

    factory: Callable[[], nn.Module]
    inputs: tuple[InputSpec, ...]


MODELS: Registry[NetworkSpec] = Registry("model", "compressor.models")


def takes(*inputs: InputSpec) -> Callable[[Callable[[], nn.Module]], NetworkSpec]:
    """Decorator that states the inputs of the network a factory makes."""

    def wrap(factory: Callable[[], nn.Module]) -> NetworkSpec:
        return NetworkSpec(factory, inputs)

    return wrap


def build(name: str, *, seed: int = 0) -> nn.Module:
    """The network called ``name`` in evaluation mode, with random but repeatable weights.

    Biases and normalisation parameters and statistics are made random too: the zeros and ones that
    PyTorch starts them with would hide a bias that was cut wrongly, or not cut at all.

    Raises:
        RegistryError: no network has that name.
        EnvironmentProblem: PyTorch is not installed.
    """
    require_torch("the networks")
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = MODELS.get(name).factory()
        _randomize_vectors(module)
    return module.eval()


def example_inputs(name: str, *, batch: int = 2, seed: int = 0) -> tuple[Tensor, ...]:
    """Random inputs, by ``seed``, of the network called ``name``: normal float32 or int64 tokens, each [batch, *shape].

    Raises:
        RegistryError: no network has that name.
        EnvironmentProblem: PyTorch is not installed.
    """
    require_torch("the networks")
    import torch

    generator = torch.Generator().manual_seed(seed)

    def draw(spec: InputSpec) -> Tensor:
        shape = (batch, *spec.shape)
        if spec.vocabulary is None:
            return torch.randn(shape, generator=generator)
        return torch.randint(spec.vocabulary, shape, generator=generator)

    return tuple(draw(spec) for spec in MODELS.get(name).inputs)


def _randomize_vectors(module: nn.Module) -> None:
    import torch

    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(std=0.1)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
