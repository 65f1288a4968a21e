"""Channel shuffles become Gathers: the same numbers in the same places, and channels that go one by one."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.model_io import from_proto
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.fold_shuffles import fold_shuffles
from compressor.same_function import prove_same
from tests.passes.graphs import Weights, model, prove, removals

BODY = """
    h = Conv<kernel_shape=[1, 1]>(x, W)
    s = Reshape(h, split)
    t = Transpose<perm={perm}>(s)
    u = Reshape(t, joined)
    y = Conv<kernel_shape=[1, 1]>(u, V)
"""
SHUFFLE = [0, 2, 1, 3, 4]


def shuffled(perm: list[int], split: list[int], joined: list[int]) -> Analysis:
    weights: Weights = {"W": (12, 3, 1, 1), "V": (5, 12, 1, 1), "split": np.array(split), "joined": np.array(joined)}
    graph = from_proto(model(BODY.format(perm=perm), weights, inputs="float[N, 3, 4, 4] x"))
    folded = fold_shuffles(graph)
    assert (folded is graph) == ([node.op for node in folded.nodes] == [node.op for node in graph.nodes])
    analysis = analyse(folded)
    prove_same(analysis, graph, what="folding shuffles")
    return analysis


@pytest.mark.parametrize("rows", [2, 3, 4, 6])
def test_a_shuffle_is_one_gather_and_every_channel_is_free(rows: int) -> None:
    analysis = shuffled(SHUFFLE, [0, rows, 12 // rows, 4, 4], [0, 12, 4, 4])
    assert [node.op for node in analysis.graph.nodes] == ["Conv", "Gather", "Conv"]
    assert [space.size for space in analysis.spaces] == [12]
    for atoms in removals(analysis):
        prove(analysis, atoms)


@pytest.mark.parametrize(
    ("perm", "split", "joined"),
    [
        ([0, 1, 2, 4, 3], [0, 3, 4, 4, 4], [0, 12, 4, 4]),  # turns the picture: a permutation of two axes at once
        ([0, 2, 1, 3, 4], [0, 3, 4, 4, 4], [0, 3, 16, 4]),  # another shape comes out
        ([1, 0, 2, 3, 4], [3, -1, 4, 4, 4], [-1, 12, 4, 4]),  # mixes batch and channels
    ],
)
def test_what_is_no_permutation_of_one_axis_stays(perm: list[int], split: list[int], joined: list[int]) -> None:
    weights: Weights = {"W": (12, 3, 1, 1), "split": np.array(split), "joined": np.array(joined)}
    body = BODY.format(perm=perm).replace("y = Conv<kernel_shape=[1, 1]>(u, V)", "y = Relu(u)")
    graph = from_proto(model(body, weights, inputs="float[N, 3, 4, 4] x"))
    assert fold_shuffles(graph) is graph


def test_a_chain_that_someone_reads_in_the_middle_stays() -> None:
    weights: Weights = {
        "W": (12, 3, 1, 1),
        "V": (5, 12, 1, 1),
        "split": np.array([0, 3, 4, 4, 4]),
        "joined": np.array([0, 12, 4, 4]),
    }
    body = BODY.format(perm=SHUFFLE) + "\n z = Relu(s)\n"
    graph = from_proto(model(body, weights, inputs="float[N, 3, 4, 4] x", outputs="float y, float z"))
    assert fold_shuffles(graph) is graph
