"""A small network with batch norms, data for it, and what criteria are tried on."""

from __future__ import annotations

from typing import Any

import numpy as np

from compressor.data_statistics import DataStatistics
from compressor.passes.analysis import Analysis
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.slices import Combine, Scores
from tests.passes.graphs import analysed

BODY = """c = Conv<kernel_shape = [3, 3], pads = [1, 1, 1, 1]>(x, w1, b1)
n = BatchNormalization(c, gamma, beta, mean, var)
r = Relu(n)
d = Conv<kernel_shape = [3, 3], strides = [2, 2]>(r, w2, b2)
s = Relu(d)
p = GlobalAveragePool(s)
f = Flatten(p)
m = MatMul(f, w3)
y = Add(m, b3)"""
RNG = np.random.default_rng(7)
WEIGHTS: dict[str, Any] = {
    "w1": (6, 2, 3, 3), "b1": (6,), "gamma": (6,), "beta": (6,), "mean": (6,),
    "var": RNG.uniform(0.5, 2, 6).astype(np.float32),
    "w2": (8, 6, 3, 3), "b2": (8,), "w3": (8, 5), "b3": (5,),
}  # fmt: skip
INPUTS = "float[N, 2, 6, 6] x"
IMAGES = RNG.standard_normal((24, 2, 6, 6)).astype(np.float32)
LABELS = RNG.integers(0, 5, 24)
STATISTICS = DataStatistics((IMAGES, LABELS))


def network(**replaced: Any) -> Analysis:
    """The network, with some of its weights replaced."""
    return analysed(BODY, {**WEIGHTS, **replaced}, inputs=INPUTS)


def values_of(analysis: Analysis) -> dict[str, np.ndarray[Any, np.dtype[np.float64]]]:
    """Initializers by name, in float64."""
    tensors = analysis.graph.tensors()
    return {name: np.asarray(tensors[name].values, np.float64) for name in WEIGHTS}


def scored(analysis: Analysis, name: str, combine: Combine = "sum", seed: int = 0) -> Scores:
    """What a criterion says, with data."""
    return CRITERIA.get(name)(ScoreContext(analysis, seed, STATISTICS, combine))


def of_space(analysis: Analysis, parameter: str, scores: Scores) -> Scores:
    """Scores of the space that has axis 0 of a parameter, in the order of its indices."""
    for space in analysis.spaces:
        if any(member.parameter == parameter and member.axis == 0 for member in space.members):
            return scores[space.atoms]
    raise KeyError(parameter)
