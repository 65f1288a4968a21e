"""What peak of memory is wanted, and at which sizes of the inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import onnx_graphsurgeon as gs

from compressor.backends.base import InputSpec
from compressor.backends.inputs import symbol_sizes
from compressor.passes.selection import Target


@dataclass(frozen=True)
class MemoryGoal:
    """A share of the peak of weights and live tensors to keep; see ``compressor.passes.memory`` for what counts.

    Attributes:
        keep: between 0 and 1.
        batch: size of a leading symbolic dimension.
        dims: sizes of symbolic dimensions, by symbol or as "input:axis".
    """

    keep: float
    batch: int = 1
    dims: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        Target("memory", self.keep)  # refuses what is no share

    def sizes(self, graph: gs.Graph) -> dict[str, int]:
        """Of the graph's symbolic dimensions, as ``compressor.passes.probe.symbols`` names them.

        Raises:
            UsageError: a size below 1, or a name that no input has.
        """
        specs = [InputSpec(tensor.name, tensor.dtype, tuple(map(_dimension, tensor.shape))) for tensor in graph.inputs]
        return symbol_sizes(specs, self.dims, self.batch)

    @property
    def made_with(self) -> dict[str, Any]:
        """For the plan: at which sizes."""
        return {"batch": self.batch, **{f"dim {name}": size for name, size in sorted(self.dims.items())}}


def _dimension(size: object) -> int | str | None:
    """As ``InputSpec`` has them: no name and no size is None."""
    if isinstance(size, int):
        return size if size >= 0 else None
    return size if isinstance(size, str) and size else None
