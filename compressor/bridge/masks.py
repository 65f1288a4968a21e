"""Zeros that stay zeros while a module is trained."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn


class KeptZeros:
    """Holds every exact zero of a module's matrices and kernels at zero: a context manager.

    Gradients are zero there, so that an optimizer's momentum never builds up; and before each forward pass, and when
    the context ends, the weights themselves are set to zero again, whatever the optimizer did. Parameters of one axis
    (biases, scales) are trained as ever.

    Attributes:
        count: how many numbers are held.
    """

    def __init__(self, module: nn.Module) -> None:
        self._held = [(p, p.detach() == 0) for p in module.parameters() if p.ndim > 1 and bool((p == 0).any())]
        self._module = module
        self._hooks: list[Any] = []
        self.count = sum(int(zero.sum()) for _, zero in self._held)

    def apply(self) -> None:
        """Set them to zero now."""
        with torch.no_grad():
            for parameter, zero in self._held:
                there = zero.to(parameter.device)
                if bool(parameter[there].any()):  # else nothing is written, and no graph of autograd is disturbed
                    parameter.masked_fill_(there, 0)

    def __enter__(self) -> Self:
        for parameter, zero in self._held:
            self._hooks.append(parameter.register_hook(_zero_where(zero)))
        self._hooks.append(self._module.register_forward_pre_hook(lambda module, inputs: self.apply()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()
        self.apply()


def _zero_where(zero: Tensor) -> Any:
    def masked(gradient: Tensor) -> Tensor:
        return gradient.masked_fill(zero.to(gradient.device), 0)

    return masked
