"""Casts follow the module's number type where they name the file's own, and nowhere else."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from compressor.bridge import from_onnx

_MODEL = """
<ir_version: 10, opset_import: ["" : 18]>
casts (float[n, 3] x, int64[n, 3] i) => (float[n, 3] y, int32[n, 3] whole, double[n, 3] precise, float[m] positions)
<float[3] weight = {1.5, 2.5, 3.5}, int64 zero = {0}, int64 one = {1}>
{
   as_float = Cast <to = 1> (i)
   total = Add(as_float, weight)
   product = Mul(total, x)
   shape = Shape(product)
   count = Gather <axis = 0> (shape, zero)
   numbers = Range(zero, count, one)
   positions = Cast <to = 1> (numbers)
   like = ConstantOfShape <value = float[1] {2.0}> (shape)
   y = Add(product, like)
   whole = Cast <to = 6> (x)
   precise = Cast <to = 11> (x)
}
"""


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_casts_to_the_main_type_follow_the_module(kind: torch.dtype) -> None:
    module = from_onnx(onnx.parser.parse_model(_MODEL)).to(kind)
    x = torch.tensor([[1.75, -2.75, 0.5], [3.0, 0.0, -1.0]], dtype=kind)
    y, whole, precise, positions = module(x, torch.tensor([[1, 2, 3], [4, 5, 6]]))
    assert y.dtype == kind
    assert positions.dtype == kind
    assert whole.dtype == torch.int32
    assert precise.dtype == torch.float64
    assert whole.tolist() == [[1, -2, 0], [3, 0, -1]]
    wanted = np.array([[2.5, 4.5, 6.5], [5.5, 7.5, 9.5]]) * x.double().numpy() + 2
    np.testing.assert_allclose(y.detach().double().numpy(), wanted, rtol=1e-2)
    assert positions.tolist() == [0, 1]


def test_other_casts_stay_literal_in_a_half_precision_file() -> None:
    """A softmax computed in float32 stays so, whatever the module became."""
    text = """
    <ir_version: 10, opset_import: ["" : 18]>
    half (float16[n, 3] x) => (float16[n, 3] y, float[n, 3] precise)
    <float16[3] weight = {1, 2, 3}>
    {
       product = Mul(x, weight)
       precise = Cast <to = 1> (product)
       back = Softmax(precise)
       y = Cast <to = 10> (back)
    }
    """
    module = from_onnx(onnx.parser.parse_model(text)).to(torch.bfloat16)
    y, precise = module(torch.ones(2, 3, dtype=torch.bfloat16))
    assert (y.dtype, precise.dtype) == (torch.bfloat16, torch.float32)
