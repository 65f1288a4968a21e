"""Scores of atoms, and the registry of criteria.

A criterion gives each index of each coupled weight axis a number; an atom's score is their sum over
all coupled slices, so a channel counts what produces it and what consumes it (the group
importance of DepGraph, arXiv:2301.12900). To add one: a function in a file of ``passes/criteria``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from compressor.errors import GraphError
from compressor.passes.analysis import Analysis, is_float
from compressor.passes.labels import Labels, is_fixed
from compressor.passes.shape_values import Array
from compressor.registry import Registry

Scores: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class WeightAxis:
    """One axis of one use of a floating-point initializer, longer than 1 and not wholly FIXED.

    Attributes:
        name: of the initializer.
        values: the whole initializer.
        axis: which of its axes.
        labels: one label per index of that axis.
    """

    name: str
    values: Array
    axis: int
    labels: Labels


class ScoreContext:
    """What a criterion may look at.

    Attributes:
        analysis: the analysed graph.
        seed: for criteria that draw.
    """

    def __init__(self, analysis: Analysis, seed: int) -> None:
        self.analysis = analysis
        self.seed = seed

    def sum_over_slices(self, importance: Callable[[Array, int], Array]) -> Scores:
        """Float64 [label ids]: sum of ``importance(values, axis)`` (one number per index) over coupled slices."""
        store = self.analysis.state.store
        scores = np.zeros(len(store), np.float64)
        for weight in self.weight_axes():
            numbers = np.asarray(importance(weight.values, weight.axis), np.float64)
            for column in store.flatten(weight.labels):
                scores += np.bincount(column, weights=numbers, minlength=len(store))
        return scores

    def weight_axes(self) -> list[WeightAxis]:
        """Every prunable axis of every initializer, each distinct (initializer, labels) once.

        Raises:
            GraphError: an initializer holds NaN, which no criterion can rank.
        """
        nodes, state = self.analysis.nodes, self.analysis.state
        found: dict[tuple[str, int, bytes], WeightAxis] = {}
        for (node, slot), axes in state.uses.items():
            tensor = nodes[node].inputs[slot]
            if not is_float(self.analysis.probes[0], tensor.name):
                continue
            for axis, labels in enumerate(axes):
                if is_fixed(labels):
                    continue
                resolved = state.store.resolve(labels)
                key = (tensor.name, axis, resolved.tobytes())
                if resolved.any() and key not in found:
                    found[key] = WeightAxis(tensor.name, _finite(tensor.name, tensor.values), axis, resolved)
        return list(found.values())


def _finite(name: str, values: Array) -> Array:
    if np.isnan(np.min(values)):  # min passes NaN on and needs no temporary
        raise GraphError("the initializer holds NaN", where=name, fix="Repair the weights (or export the model again).")
    return values


def other_axes(values: Array, axis: int) -> tuple[int, ...]:
    """All axes of ``values`` but one."""
    return tuple(i for i in range(values.ndim) if i != axis)


Criterion: TypeAlias = Callable[[ScoreContext], Scores]
CRITERIA: Registry[Criterion] = Registry("criterion", "compressor.passes.criteria")
