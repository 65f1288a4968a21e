"""Bytes of weights: by element type, exactly those of the graph that is then built."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from compressor.model_io import from_proto, to_proto
from compressor.passes.analysis import Analysis, analyse
from compressor.passes.cost import NO_ATOMS, CostModel
from compressor.passes.latency.selection import exact_lengths
from compressor.passes.rewrite import remove_atoms
from tests.passes.graphs import analysed, f32, model, removals
from tests.passes.test_cost import GRAPHS, SHARED, SHARED_BIAS


def stored(analysis: Analysis, atoms: np.ndarray) -> int:
    """Bytes of the initializers of the graph that is built."""
    built = to_proto(remove_atoms(analysis, atoms))
    return sum(len(tensor.raw_data) for tensor in built.graph.initializer)


@pytest.mark.parametrize("name", GRAPHS)
def test_they_are_those_of_the_graph_that_is_built(name: str) -> None:
    body, weights, inputs = GRAPHS[name]
    analysis = analysed(body, weights, inputs=inputs)
    cost = CostModel(analysis)
    for atoms in (NO_ATOMS, *removals(analysis)):
        found = cost.cost(atoms).weight_bytes
        assert found == stored(analysis, atoms)
        assert cost.weights.bytes_at(exact_lengths(cost, atoms)) == [found]


@pytest.mark.parametrize(("kind", "width"), [(TensorProto.FLOAT16, 2), (TensorProto.DOUBLE, 8), (TensorProto.FLOAT, 4)])
def test_every_type_has_its_width(kind: int, width: int) -> None:
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    tensors = [numpy_helper.from_array(np.ones(shape, dtype), name) for name, shape in (("w", (6, 8)), ("v", (8, 5)))]
    nodes = [helper.make_node("MatMul", [a, b], [c], c) for a, b, c in (("x", "w", "h"), ("h", "v", "y"))]
    sides = [helper.make_tensor_value_info(name, kind, ["N", size]) for name, size in (("x", 6), ("y", 5))]
    graph = helper.make_graph(nodes, "g", sides[:1], sides[1:], tensors)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    analysis = analyse(from_proto(proto))
    cost = CostModel(analysis, {"N": 3})
    assert cost.cost(NO_ATOMS).weight_bytes == width * (48 + 40)
    assert cost.cost(NO_ATOMS).peak_bytes == width * (48 + 40 + 3 * (6 + 8 + 5))


def test_eight_bit_weights_count_one_byte_each() -> None:
    body = "a = DequantizeLinear(q, s, z)\nh = MatMul(x, a)\ny = MatMul(h, v)"
    given = model(
        body,
        {"q": np.ones((6, 8), np.int8), "s": f32(0.1), "z": np.zeros((), np.int8), "v": (8, 5)},
    )
    analysis = analyse(from_proto(given))
    cost = CostModel(analysis)
    assert cost.cost(NO_ATOMS).weight_bytes == 48 + 4 + 1 + 4 * 40
    assert cost.cost(analysis.spaces[0].atoms[:2]).weight_bytes == 36 + 4 + 1 + 4 * 30


def test_a_constant_of_several_layers_is_told_from_lengths_alone_as_if_cut_apart() -> None:
    analysis = analysed(SHARED_BIAS, SHARED)
    cost, (first, second) = CostModel(analysis), analysis.spaces
    one = np.sort(first.atoms[:2])
    assert cost.weights.bytes_at(exact_lengths(cost, one)) == [4 * (36 + 6 + 8 + 48 + 40)]
    both = np.sort(np.concatenate([one, second.atoms[:2]]))
    assert cost.cost(both).weight_bytes == 4 * (36 + 6 + 36 + 30)
    assert cost.weights.bytes_at(exact_lengths(cost, both)) == [4 * (36 + 6 + 6 + 36 + 30)]
