"""The module that an ONNX graph becomes: an FX graph module that knows which initializers it carries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx

_META = "compressor"


@dataclass(frozen=True)
class BridgeReport:
    """What was converted.

    Attributes:
        initializers: attribute name -> initializer name, of everything that training changes: parameters, and
            the running statistics of batch norms. The names differ only where Python allows no other way.
        trainable: numbers in parameters.
        total: numbers in all floating-point initializers.
        fixed: initializer name -> why it is no parameter.
        copies: name -> initializer that it was a use of, which another use owns: see ``unshare``.
    """

    initializers: dict[str, str]
    trainable: int
    total: int
    fixed: dict[str, str] = field(default_factory=dict)
    copies: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        share = self.trainable / self.total if self.total else 1.0
        return f"{self.trainable:,} of {self.total:,} weights are trainable ({share:.1%})"


class OnnxModule(fx.GraphModule):
    """Computes what the ONNX graph does; trainable; inputs and outputs in the order of the graph's.

    ``forward`` takes one tensor for each graph input and gives the output, or a tuple where there are several.
    ``module.train()`` means what it says: batch norms use and update statistics, dropout drops.
    """

    def __init__(self, root: torch.nn.Module, graph: fx.Graph, class_name: str = "OnnxModule") -> None:
        super().__init__(root, graph, class_name)

    @property
    def report(self) -> BridgeReport:
        """What was converted, and what is trainable."""
        report: BridgeReport = self.meta[_META]["report"]
        return report

    @property
    def input_names(self) -> list[str]:
        """Names of the graph's inputs, in the order of ``forward``'s arguments."""
        names: list[str] = self.meta[_META]["inputs"]
        return names

    @property
    def output_names(self) -> list[str]:
        """Names of the graph's outputs, in order."""
        names: list[str] = self.meta[_META]["outputs"]
        return names

    def describe(self, report: BridgeReport, inputs: list[str], outputs: list[str]) -> None:
        """Attach what the properties above tell; kept by copies."""
        self.meta[_META] = {"report": report, "inputs": inputs, "outputs": outputs}

    def initializer(self, attribute: str) -> torch.Tensor:
        """The parameter or buffer with this dotted name."""
        found: Any = self
        for part in attribute.split("."):
            found = getattr(found, part)
        tensor: torch.Tensor = found
        return tensor
