"""Costs counted without building a graph are those of the graph that is then built."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.passes.analysis import Analysis, analyse
from compressor.passes.cost import CostModel
from compressor.passes.rewrite import remove_atoms
from tests.passes.graphs import Weights, analysed, float_elements, removals

# The exporters store equal constants once: "b" is the bias of two layers of their own widths.
SHARED_BIAS = """
h = MatMul(x, w)
i = Add(h, b)
j = Relu(i)
k = MatMul(j, u)
l = Add(k, b)
m = Relu(l)
y = MatMul(m, v)
"""
SHARED: Weights = {"w": (6, 8), "b": (8,), "u": (8, 8), "v": (8, 5)}


def test_a_constant_of_several_layers_is_counted_once_per_slice() -> None:
    analysis = analysed(SHARED_BIAS, SHARED)
    model = CostModel(analysis)
    first, second = analysis.spaces
    none = model.cost(first.atoms[:0])
    assert none.params == 48 + 8 + 64 + 40
    assert none.channels == 16
    assert none.macs == 48 + 64 + 40
    one = np.sort(first.atoms[:2])
    assert model.cost(one).params == 36 + (6 + 8) + 48 + 40
    both = np.sort(np.concatenate([first.atoms[:2], second.atoms[:2]]))
    assert model.cost(both).params == 36 + 6 + 36 + 30  # the same two indices of both: one slice
    assert model.by_owner(both)[0] == {"w": 36, "b": 6, "u": 36, "v": 30}
    assert model.by_owner(both)[1] == {"h": 36, "k": 36, "y": 30}
    for atoms in (one, both):
        assert float_elements(remove_atoms(analysis, atoms)) == model.cost(atoms).params


GRAPHS: dict[str, tuple[str, Weights, str]] = {
    "shared bias": (SHARED_BIAS, SHARED, "float[N, 6] x"),
    "grouped convolution": (
        "h = Conv<pads=[1, 1, 1, 1]>(x, w)\no = Conv<group=4>(h, k)\np = GlobalAveragePool(o)\nf = Flatten(p)\n"
        "y = Gemm(f, v, c)",
        {"w": (8, 3, 3, 3), "k": (12, 2, 1, 1), "v": (12, 5), "c": (5,)},
        "float[N, 3, 6, 6] x",
    ),
    "attention": (
        "q = MatMul(x, w)\nk = MatMul(x, u)\nt = Transpose<perm=[0, 2, 1]>(k)\ns = MatMul(q, t)\no = MatMul(s, q)\n"
        "y = MatMul(o, v)",
        {"w": (6, 8), "u": (6, 8), "v": (8, 5)},
        "float[N, 3, 6] x",
    ),
    "recurrent": (
        "h, z = LSTM<hidden_size=5>(x, W, R, B)\ny = MatMul(h, v)",
        {"W": (1, 20, 6), "R": (1, 20, 5), "B": (1, 40), "v": (5, 4)},
        "float[S, N, 6] x",
    ),
}


def _built(name: str) -> Analysis:
    body, weights, inputs = GRAPHS[name]
    return analysed(body, weights, inputs=inputs)


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_the_rewritten_graph(name: str, seed: int) -> None:
    analysis = _built(name)
    model = CostModel(analysis)
    for atoms in removals(analysis, seed=seed, shares=(0.2, 0.5)):
        predicted, pruned = model.cost(atoms), remove_atoms(analysis, atoms)
        assert float_elements(pruned) == predicted.params
        again = CostModel(analyse(pruned)).cost(atoms[:0])
        assert (again.params, again.macs) == (predicted.params, predicted.macs)
        params, macs = model.by_owner(atoms)
        assert sum(params.values()) == predicted.params
        assert sum(macs.values()) == predicted.macs


def test_macs_of_a_sample_do_not_depend_on_the_batch() -> None:
    assert CostModel(_built("attention")).cost(np.zeros(0, np.int64)).macs == 3 * 6 * 8 * 2 + 3 * 8 * 3 * 2 + 3 * 8 * 5


@pytest.mark.parametrize("name", GRAPHS)
def test_protect_never_empties_an_axis(name: str) -> None:
    analysis = _built(name)
    model = CostModel(analysis)
    everything = np.concatenate([space.atoms for space in analysis.spaces])
    atoms = model.protect(everything)
    assert 0 < atoms.size < everything.size
    assert set(atoms) <= set(everything)
    pruned = analyse(remove_atoms(analysis, atoms))
    assert all(0 not in shape for shape in pruned.probes[0].shapes.values())
    np.testing.assert_array_equal(model.protect(atoms), np.sort(atoms))
