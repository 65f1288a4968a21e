"""Shape subgraphs become Python numbers: no tensors are made of sizes, and torch.compile sees through them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import fx

from compressor.bridge import OnnxModule, from_onnx
from compressor.bridge.lowering import host_to_tensor
from compressor.bridge.ops import host_arithmetic as host
from compressor.bridge.ops.casting import to_number

# Splits heads as exporters write it, pads by a computed amount, and expands a mask to a computed shape.
_DYNAMIC = """
<ir_version: 10, opset_import: ["" : 18]>
dynamic (float[batch, length, 12] x) => (float[batch, 3, length, 4] y, float[batch, length, width] z)
<float[12] scale = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, int64 zero = {0}, int64 one = {1}, int64[1] zeros = {0},
 int64[1] ones = {1}, int64[1] last = {-1}, int64[1] end = {9223372036854775807}, int64[1] heads = {3},
 int64[1] minus = {-1}, int64[1] two = {2}, float[1] half = {0.5}, int64[1] four = {4}>
{
   scaled = Mul(x, scale)
   shape = Shape(scaled)
   batch = Gather <axis = 0> (shape, zero)
   batches = Unsqueeze(batch, zeros)
   length = Gather <axis = 0> (shape, one)
   lengths = Unsqueeze(length, zeros)
   width = Slice(shape, last, end, zeros)
   head = Div(width, heads)
   split = Concat <axis = 0> (batches, lengths, heads, head)
   parts = Reshape(scaled, split)
   y = Transpose <perm = [0, 2, 1, 3]> (parts)
   widths = Cast <to = 1> (width)
   halves = Mul(widths, half)
   floors = Floor(halves)
   more = Cast <to = 7> (floors)
   wanted = Concat <axis = 0> (batches, ones, more)
   rank = Shape(wanted)
   filled = ConstantOfShape <value = int64[1] {1}> (rank)
   other = Mul(filled, minus)
   is_same = Equal(wanted, other)
   sizes = Where(is_same, filled, wanted)
   first = Slice(scaled, zeros, ones, two)
   z = Expand(first, sizes)
}
"""


def _model() -> onnx.ModelProto:
    model = onnx.parser.parse_model(_DYNAMIC)
    z = model.graph.output[1].type.tensor_type.shape
    z.dim[1].dim_param, z.dim[2].dim_param = "length", "half_width"
    return model


def _targets(module: OnnxModule) -> set[Any]:
    return {node.target for node in module.graph.nodes if node.op == "call_function"}


def _inputs(batch: int, length: int) -> torch.Tensor:
    return torch.randn(batch, length, 12, generator=torch.Generator().manual_seed(0))


def test_sizes_are_no_tensors() -> None:
    targets = _targets(from_onnx(_model()))
    assert host_to_tensor not in targets
    assert torch.Tensor.tolist not in targets
    assert not targets & {torch.cat, torch.unsqueeze, torch.index_select, torch.select}


def test_reshapes_take_sizes_directly() -> None:
    """The target is written where it is used, not built as a list at every step."""
    module = from_onnx(_model())
    (reshape,) = (node for node in module.graph.nodes if node.target is torch.reshape)
    target = reshape.args[1]
    assert isinstance(target, tuple)
    found = [n.target if isinstance(n, fx.Node) else n for n in target]
    assert found == [torch.Tensor.size, torch.Tensor.size, 3, host.divide]


@pytest.mark.parametrize("sizes", [(2, 5), (1, 1), (7, 3)])
def test_equals_the_runtime_at_every_size(sizes: tuple[int, int]) -> None:
    model, x = _model(), _inputs(*sizes)
    expected = ort.InferenceSession(model.SerializeToString()).run(None, {"x": x.numpy()})
    found = from_onnx(model)(x)
    for value, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(value.detach().numpy(), wanted, rtol=1e-6)


def test_compiles_whole_and_once_for_all_sizes() -> None:
    module = from_onnx(_model())
    compiled = torch.compile(copy.deepcopy(module), fullgraph=True, dynamic=True, backend="aot_eager")
    for sizes in ((2, 5), (4, 6), (3, 9)):
        for value, wanted in zip(compiled(_inputs(*sizes)), module(_inputs(*sizes)), strict=True):
            torch.testing.assert_close(value, wanted)
    x = _inputs(2, 4).requires_grad_()
    compiled(x)[0].sum().backward()
    assert x.grad is not None
    assert x.grad[0, 0].tolist() == list(range(1, 13))


def test_arithmetic_on_numbers_and_lists() -> None:
    assert host.elementwise("Add", [1, 2], [3]) == [4, 5]
    assert host.elementwise("Mul", 3, [1, 2]) == [3, 6]
    assert host.elementwise("Sub", 3, 1) == 2
    assert host.elementwise("Where", [True, False], 1, [5, 6]) == [1, 6]
    assert host.elementwise("Add", [], [1]) == []
    assert host.elementwise("Div", -7, 2) == -3
    assert host.elementwise("Div", [7, -8], [-2, -2]) == [-3, 4]
    assert host.remainder([-7, 7], 3, as_in_c=False) == [2, 1]
    assert host.remainder([-7, 7], 3, as_in_c=True) == [-1, 1]
    assert host.remainder([-7.5, 7.0], 2.0, as_in_c=True) == [-1.5, 1.0]
    assert host.total([2, 3, 4], product=True, keep=True) == [24]
    assert host.total([2, 3, 4], product=False, keep=False) == 9


def test_what_float32_rounds_to_a_whole_number_is_one() -> None:
    tenth = float(np.float32(0.1))  # a little more than 0.1
    assert np.float32(10) * np.float32(0.1) == 1
    assert 10 * tenth > 1
    assert host.ceil(10 * tenth) == 1.0
    assert host.floor(2 - (10 * tenth)) == 1.0
    assert host.floor(2.999) == 2.0
    assert host.ceil(2.001) == 3.0


def test_a_float_is_cut_off_as_float32() -> None:
    """What the file computes in float32 as 9 is a little less in Python's numbers."""
    share = float(np.float32(0.9))
    assert np.float32(10) * np.float32(0.9) == 9
    assert 10 * share < 9
    assert to_number(10 * share, "int") == 9
    assert to_number([8.9, -1.5, 3], "int") == [8, -1, 3]
    assert to_number(2**40 + 1, "int") == 2**40 + 1
