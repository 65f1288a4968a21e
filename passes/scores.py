"""Scores of atoms, and the registry of criteria.

A criterion gives each element of each coupled weight a number; an atom's score is their sum over all
coupled slices, so a channel counts what produces it and what consumes it (the group
importance of DepGraph, arXiv:2301.12900). To add one: a function in a file of ``passes/criteria``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.errors import GraphError
from compressor.passes.analysis import Analysis, is_float
from compressor.passes.labels import Labels, is_fixed
from compressor.passes.shape_values import Array
from compressor.registry import Registry
from compressor.tensor_values import peek, release

Scores: TypeAlias = NDArray[np.float64]


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


class ScoreContext:
    """What a criterion may look at.

    Attributes:
        analysis: the analysed graph.
        seed: for criteria that draw.
    """

    def __init__(self, analysis: Analysis, seed: int) -> None:
        self.analysis = analysis
        self.seed = seed

    def sum_over_slices(self, importance: Callable[[Array], Array]) -> Scores:
        """Float64 [label ids]: ``importance`` (element by element, not negative) summed over coupled slices.

        Raises:
            GraphError: an initializer holds NaN, which no criterion can rank.
        """
        store = self.analysis.state.store
        scores = np.zeros(len(store), np.float64)
        for weight in self.weights():
            totals = [np.zeros(labels.size, np.float64) for _, labels in weight.axes]
            for start, values in chunks(weight):
                numbers = importance(values)
                for (axis, _), total in zip(weight.axes, totals, strict=True):
                    along = numbers.sum(axis=tuple(i for i in range(values.ndim) if i != axis), dtype=np.float64)
                    if axis == 0:
                        total[start : start + along.size] = along
                    else:
                        total += along
            for (_, labels), total in zip(weight.axes, totals, strict=True):
                for column in store.flatten(labels):
                    scores += np.bincount(column, weights=total, minlength=len(store))
        return scores

    def weights(self) -> list[Weight]:
        """Every initializer that some cut reaches."""
        nodes, state = self.analysis.nodes, self.analysis.state
        tensors: dict[str, gs.Constant] = {}
        axes: dict[str, dict[tuple[int, bytes], Labels]] = {}
        for (node, slot), labelled in state.uses.items():
            tensor = nodes[node].inputs[slot]
            if not is_float(self.analysis.probes[0], tensor.name):
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
    """(first index, values) of runs along axis 0, at least float32; memory of mapped files is given back."""
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


Criterion: TypeAlias = Callable[[ScoreContext], Scores]
CRITERIA: Registry[Criterion] = Registry("criterion", "compressor.passes.criteria")
