"""What a probe knows of the tensors of a graph."""

from __future__ import annotations

from dataclasses import dataclass, field

from compressor.passes.contrib_shapes import Shape
from compressor.passes.shape_values import Array


@dataclass
class Probe:
    """Facts of one walk: shapes, dtypes and known small values by tensor name."""

    sizes: dict[str, int]
    shapes: dict[str, Shape] = field(default_factory=dict)
    dtypes: dict[str, int] = field(default_factory=dict)
    values: dict[str, Array] = field(default_factory=dict)
