"""A layer that is a matrix product with a stored weight, seen as ``rows @ weight + bias``."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from compressor.graph_edit import replace_input
from compressor.passes.shape_values import Array
from compressor.tensor_values import peek


@dataclass
class Bias:
    """A stored vector that a node adds: where it is, or where it can be put."""

    node: gs.Node
    slot: int
    tensor: gs.Constant | None
    scale: float = 1.0


@dataclass
class Layer(ABC):
    """One layer of the pruned graph.

    Attributes:
        node: its node.
        weight: its stored weight; read by nothing else.
        output: the tensor after its bias.
        bias: None where it can have none.
    """

    node: gs.Node
    weight: gs.Constant
    output: str
    bias: Bias | None
    uses: Counter[str] = field(repr=False)

    @property
    def input(self) -> str:
        """The activation it reads."""
        return str(self.node.inputs[self.slot].name)

    @property
    def slot(self) -> int:
        """Where it reads it."""
        return 0

    @property
    @abstractmethod
    def geometry(self) -> tuple[Any, ...]:
        """Layers of one input and equal geometry have the same rows."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """(groups, numbers in a row, outputs of a group)."""

    @abstractmethod
    def rows(self, x: Array, y_shape: Sequence[int], chosen: Array) -> Array:
        """[groups, n, numbers in a row] of some output positions."""

    @abstractmethod
    def outputs(self, y: Array, chosen: Array) -> Array:
        """[groups, n, outputs of a group] of a tensor like the output, at the same positions."""

    @abstractmethod
    def positions(self, y_shape: Sequence[int]) -> int:
        """How many positions an output of this shape has."""

    @abstractmethod
    def matrix(self, values: Array) -> Array:
        """A weight as [groups, numbers in a row, outputs of a group]."""

    @abstractmethod
    def unmatrix(self, matrix: Array) -> Array:
        """The weight, in its own shape, of such a matrix."""

    def matrix_now(self) -> Array:
        """Float64 matrix as the pruned graph has it."""
        return self.matrix(np.asarray(peek(self.weight), np.float64))

    def bias_now(self) -> Array:
        """Float64 [groups, outputs of a group]; zeros where there is none."""
        groups, _, outputs = self.shape
        if self.bias is None or self.bias.tensor is None or self.bias.scale == 0:
            return np.zeros((groups, outputs))
        values = np.asarray(peek(self.bias.tensor), np.float64) * self.bias.scale
        return np.array(np.broadcast_to(values.reshape(-1), (groups * outputs,))).reshape(groups, outputs)

    def store(self, matrix: Array, bias: Array | None) -> None:
        """Write new values into the graph, in the weight's own number type."""
        dtype = self.weight.dtype
        self.weight.values = np.ascontiguousarray(self.unmatrix(matrix).astype(dtype))
        if bias is None or self.bias is None:
            return
        place, scale = self.bias, self.bias.scale or 1.0
        values = np.ascontiguousarray((bias.reshape(-1) / scale).astype(dtype))
        old = place.tensor
        if old is not None and math.prod(old.shape) == values.size:
            values = values.reshape(tuple(old.shape))
        name = self._bias_name() if old is None or self.uses[old.name] > 1 else old.name
        new = gs.Constant(name, values)
        if place.scale == 0:
            place.node.attrs["beta"] = 1.0
        while len(place.node.inputs) <= place.slot:
            place.node.inputs.append(gs.Variable.empty())
        replace_input(place.node, place.slot, new)
        self.bias = Bias(place.node, place.slot, new, scale)

    def _bias_name(self) -> str:
        name, count = f"{self.weight.name}_bias", 1
        while name in self.uses:
            count += 1
            name = f"{self.weight.name}_bias{count}"
        self.uses[name] = 1
        return name
