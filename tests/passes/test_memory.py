"""Live tensors: counted by hand, equal to those of the graph that is then built, and alike for many candidates."""

from __future__ import annotations

import numpy as np
import pytest

from compressor.errors import UsageError
from compressor.model_io import from_proto
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.cost import NO_ATOMS, CostModel
from compressor.passes.latency.selection import exact_lengths
from compressor.passes.memory import LiveTensors
from compressor.passes.rewrite import remove_atoms
from tests.passes.graphs import Weights, analysed, i64, model, removals

WEIGHTS: Weights = {"w": (6, 8), "u": (8, 8), "v": (8, 5)}
CHAIN = "h = MatMul(x, w)\ni = Relu(h)\ny = MatMul(i, v)"
F32 = 4


def live(analysis: Analysis, batch: int) -> int:
    found = CostModel(analysis, {"N": batch}).cost(NO_ATOMS)
    assert found.peak_bytes is not None
    return found.peak_bytes - found.weight_bytes


@pytest.mark.parametrize("batch", [1, 7])
def test_a_relu_writes_over_its_input(batch: int) -> None:
    analysis = analysed(CHAIN, {"w": (6, 8), "v": (8, 5)})
    assert live(analysis, batch) == batch * (6 + 8 + 5) * F32


def test_what_is_read_again_is_not_written_over() -> None:
    body = "h = MatMul(x, w)\ni = Relu(h)\nj = MatMul(i, u)\nk = Add(j, h)\ny = MatMul(k, v)"
    # x, h, i and j while j is computed: h is read by the sum, into which nothing else is written.
    assert live(analysed(body, WEIGHTS), 2) == 2 * (6 + 8 + 8 + 8) * F32


def test_views_share_their_inputs_buffer() -> None:
    body = "h = MatMul(x, w)\nr = Reshape(h, s)\nt = Reshape(r, a)\ny = MatMul(t, v)"
    analysis = analysed(body, {"w": (6, 8), "v": (8, 5), "s": i64([0, 2, 4]), "a": i64([0, 8])})
    assert live(analysis, 3) == 3 * (6 + 8 + 5) * F32


def test_what_nobody_reads_is_gone_after_its_node() -> None:
    wide = "h = MatMul(x, w)\no, n = Split<axis=1>(h, s)\ny = MatMul(o, v)"
    analysis = analysed(wide, {"w": (6, 100), "s": i64([40, 60]), "v": (40, 5)})
    assert live(analysis, 1) == (6 + 100 + 40 + 60) * F32


GRAPHS: dict[str, tuple[str, Weights, str]] = {
    "chain": (CHAIN, {"w": (6, 8), "v": (8, 5)}, "float[N, 6] x"),
    "grouped convolution": (
        "h = Conv<pads=[1, 1, 1, 1]>(x, w)\nr = Relu(h)\no = Conv<group=4>(r, k)\np = GlobalAveragePool(o)\n"
        "f = Flatten(p)\ny = Gemm(f, v)",
        {"w": (8, 3, 3, 3), "k": (12, 2, 1, 1), "v": (12, 5)},
        "float[N, 3, 6, 6] x",
    ),
    "attention": (
        "q = MatMul(x, w)\nk = MatMul(x, u)\nt = Transpose<perm=[0, 2, 1]>(k)\ns = MatMul(q, t)\no = MatMul(s, q)\n"
        "y = MatMul(o, v)",
        {"w": (6, 8), "u": (6, 8), "v": (8, 5)},
        "float[N, 3, 6] x",
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("batch", [1, 5])
def test_it_is_that_of_the_graph_that_is_built(name: str, batch: int) -> None:
    body, weights, inputs = GRAPHS[name]
    analysis = analysed(body, weights, inputs=inputs)
    cost = CostModel(analysis, {"N": batch})
    found = [cost.cost(NO_ATOMS)]
    for atoms in removals(analysis):
        built = analyse(remove_atoms(analysis, atoms))
        found.append(cost.cost(atoms))
        assert found[-1].peak_bytes == CostModel(built, {"N": batch}).cost(NO_ATOMS).peak_bytes
        assert cost.peak_bytes_at(exact_lengths(cost, atoms)) == [found[-1].peak_bytes]
    peaks = [one.peak_bytes or 0 for one in found]
    assert peaks[0] > peaks[1] > peaks[2] > 0


def test_many_candidates_are_told_as_each_of_them() -> None:
    body, weights, inputs = GRAPHS["grouped convolution"]
    analysis = analysed(body, weights, inputs=inputs)
    cost = CostModel(analysis, {"N": 2})
    lengths = np.concatenate([exact_lengths(cost, atoms) for atoms in removals(analysis, shares=(0.2, 0.5, 0.8))])
    assert cost.peak_bytes_at(lengths).tolist() == [float(cost.peak_bytes_at(row[None])[0]) for row in lengths]


def test_bodies_count() -> None:
    body = (
        "h = MatMul(x, w)\ny = If(c) <then_branch = t () => (float p) { p = MatMul(h, v) },"
        " else_branch = e () => (float q) { i = MatMul(h, u)\n q = MatMul(i, v) }>"
    )
    given = model(body, WEIGHTS, inputs="float[N, 6] x, bool c")
    analysis = analyse(from_proto(given))
    assert live(analysis, 1) >= (6 + 8 + 8 + 5) * F32


def test_the_sizes_have_to_be_given() -> None:
    cost = CostModel(analysed(CHAIN, {"w": (6, 8), "v": (8, 5)}))
    assert cost.cost(NO_ATOMS).peak_bytes is None
    with pytest.raises(UsageError, match="sizes of the inputs"):
        cost.peak_bytes_at(exact_lengths(cost, NO_ATOMS))


def test_nothing_to_compute_takes_nothing() -> None:
    analysis = analysed("y = Identity(x)", {})
    cost = CostModel(analysis)
    assert LiveTensors(analysis, cost.table, {"N": 4}).peak_bytes(exact_lengths(cost, NO_ATOMS)) == [4 * 6 * F32]
