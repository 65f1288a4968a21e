"""A product and a bias become one linear layer only where they are one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from compressor.bridge import OnnxModule, from_onnx
from tests.bridge.one_node import Array

LINEAR = torch.nn.functional.linear


def _module(w: Array, b: Array, *, turned: bool, swapped: bool = False, outputs: Sequence[str] = ("y",)) -> OnnxModule:
    """x w + b, w as it is or transposed in the graph; the product ``p`` may be an output too."""
    nodes = [helper.make_node("Transpose", ["w"], ["m"], perm=[1, 0])] if turned else []
    nodes.append(helper.make_node("MatMul", ["x", "m" if turned else "w"], ["p"]))
    nodes.append(helper.make_node("Add", ["b", "p"] if swapped else ["p", "b"], ["y"]))
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 4])
    found = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    values = [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")]
    graph = helper.make_graph(nodes, "linear", [given], found, values)
    return from_onnx(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


def _random(*shape: int) -> Array:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_linear_layers_are_found_and_train(turned: bool, swapped: bool) -> None:
    w, b = _random(5, 4) if turned else _random(4, 5), _random(5)
    module = _module(w, b, turned=turned, swapped=swapped)
    targets = [node.target for node in module.graph.nodes]
    assert LINEAR in targets
    assert torch.add not in targets
    assert torch.matmul not in targets
    x = torch.randn(2, 3, 4)
    matrix = torch.from_numpy(w.T if turned else w)
    torch.testing.assert_close(module(x), x @ matrix + torch.from_numpy(b))
    module(x).sum().backward()
    gradients = {name: p.grad for name, p in module.named_parameters()}
    torch.testing.assert_close(gradients["b"], torch.full((5,), 6.0))
    column = x.sum((0, 1)).unsqueeze(1).expand(4, 5)
    torch.testing.assert_close(gradients["w"], column.T if turned else column)


@pytest.mark.parametrize("shape", [(1,), (3, 5), (1, 5)])
def test_a_sum_with_anything_but_a_vector_stays(shape: tuple[int, ...]) -> None:
    w, b = _random(4, 5), _random(*shape)
    module = _module(w, b, turned=False)
    assert LINEAR not in [node.target for node in module.graph.nodes]
    x = torch.randn(2, 3, 4)
    torch.testing.assert_close(module(x), x @ torch.from_numpy(w) + torch.from_numpy(b))


def test_a_product_that_is_an_output_stays() -> None:
    w, b = _random(4, 5), _random(5)
    module = _module(w, b, turned=False, outputs=("p", "y"))
    assert LINEAR not in [node.target for node in module.graph.nodes]
    x = torch.randn(2, 3, 4)
    product, total = module(x)
    torch.testing.assert_close(total, product + torch.from_numpy(b))
