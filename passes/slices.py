"""Coupled slices of weights, and the one rule by which what is said of them becomes a number for an atom.

An atom occurs in slices: index i of axis k of weight W, for every place that labels carry it to. A
criterion gives each slice a number; an atom's score is the ``Combine`` of those of its slices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.errors import GraphError
from compressor.passes.analysis import Analysis, is_float
from compressor.passes.labels import Labels, LabelStore, is_fixed
from compressor.passes.shape_values import Array
from compressor.tensor_values import peek, release

Scores: TypeAlias = NDArray[np.float64]
Combine: TypeAlias = Literal["sum", "mean", "max"]

_CHUNK = 1 << 24  # elements looked at together: bounds memory, whatever the size of a weight


@dataclass(frozen=True)
class Weight:
    """A floating-point initializer and the axes along which it may be cut.

    Attributes:
        name: of the initializer.
        tensor: the initializer; its values are read lazily.
        axes: (axis, labels) of every distinct use, one label per index, not all FIXED.
    """

    name: str
    tensor: gs.Constant
    axes: tuple[tuple[int, Labels], ...]


class Reduction:
    """Numbers of slices, added one axis at a time, reduced to one for each label id.

    "sum" adds them, so that an atom in many places counts more; "mean" divides by how many slices there
    are; "max" takes the largest. An atom in no slice gets 0.
    """

    def __init__(self, store: LabelStore, combine: Combine) -> None:
        self._store, self._combine = store, combine
        self._scores = np.zeros(len(store), np.float64)
        self._counts = np.zeros(len(store), np.int64)

    def add(self, labels: Labels, values: Scores) -> None:
        """``values`` [n] of the slices along an axis with these ``labels`` [n]; not negative."""
        for column in self._store.flatten(labels):
            if self._combine == "max":
                np.maximum.at(self._scores, column, values)
            else:
                self._scores += np.bincount(column, weights=values, minlength=self._scores.size)
                self._counts += np.bincount(column, minlength=self._scores.size)

    def scores(self) -> Scores:
        """Float64 [label ids]."""
        return self._scores / np.maximum(self._counts, 1) if self._combine == "mean" else self._scores


def weights_of(analysis: Analysis) -> list[Weight]:
    """Every floating-point initializer that some cut reaches."""
    nodes, state = analysis.nodes, analysis.state
    tensors: dict[str, gs.Constant] = {}
    axes: dict[str, dict[tuple[int, bytes], Labels]] = {}
    for (node, slot), labelled in state.uses.items():
        tensor = nodes[node].inputs[slot]
        if not is_float(analysis.probes[0], tensor.name):
            continue
        for axis, labels in enumerate(labelled):
            resolved = labels if is_fixed(labels) else state.store.resolve(labels)
            if resolved.any():
                tensors[tensor.name] = tensor
                axes.setdefault(tensor.name, {})[axis, resolved.tobytes()] = resolved
    return [
        Weight(name, tensor, tuple((axis, labels) for (axis, _), labels in axes[name].items()))
        for name, tensor in tensors.items()
    ]


def chunks(weight: Weight) -> Iterator[tuple[int, Array]]:
    """(first index, values) of runs along axis 0, at least float32; memory of mapped files is given back.

    Raises:
        GraphError: the initializer holds NaN, which no criterion can rank.
    """
    source = weight.tensor._values
    whole: Array = peek(source)
    rows = max(1, _CHUNK // max(1, whole[:1].size))
    for start in range(0, whole.shape[0], rows):
        part = whole[start : start + rows]
        values = part if part.dtype in (np.float32, np.float64) else part.astype(np.float32)
        if np.isnan(np.min(values, initial=np.inf)):  # min passes NaN on and needs no temporary
            raise GraphError(
                "the initializer holds NaN", where=weight.name, fix="Repair the weights (or export the model again)."
            )
        yield start, values
    release(source)
