"""Written-out attention becomes one kernel where that changes nothing, and only there."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from compressor.backends.base import open_model
from compressor.bridge import OnnxModule, from_onnx
from compressor.bridge.fused_attention import attention
from tests.bridge.exported import exported
from tests.bridge.test_convert import model_of

HEADS, TOKENS, WIDTH = 2, 5, 4
CAUSAL = np.triu(np.full((TOKENS, TOKENS), -np.inf, np.float32), 1)


def count(module: OnnxModule) -> int:
    return len(module.graph.find_nodes(op="call_function", target=attention))


def attention_model(*, mask: np.ndarray | None = None, zero: bool = False, seen: bool = False) -> onnx.ModelProto:
    """Attention over q, k, v [1, 2, 5, 4].

    ``zero``: rows that see nothing give zero. ``seen``: the weights are an output, too.
    """
    node = helper.make_node
    nodes = [
        node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]),
        node("MatMul", ["q", "kt"], ["s"]),
        node("Mul", ["s", "scale"], ["scaled"]) if mask is None else node("Add", ["s", "mask"], ["scaled"]),
        node("Softmax", ["scaled"], ["p"], axis=-1),
    ]
    weights = "p"
    if zero:
        nodes += [node("IsNaN", ["p"], ["nan"]), node("Where", ["nan", "none", "p"], ["safe"])]
        weights = "safe"
    nodes.append(node("MatMul", [weights, "v"], ["y"]))
    tensors = {"none": np.zeros((), np.float32)} if zero else {}
    tensors |= {"scale": np.array(0.3, np.float32)} if mask is None else {"mask": mask}
    shape: list[int | str] = [1, HEADS, TOKENS, WIDTH]
    return model_of(nodes, tensors, {"q": shape, "k": shape, "v": shape}, ["y", "p"] if seen else ["y"])


def same_as_runtime(model: onnx.ModelProto, module: OnnxModule) -> None:
    rng = np.random.default_rng(0)
    feeds = {name: rng.standard_normal((1, HEADS, TOKENS, WIDTH)).astype(np.float32) for name in module.input_names}
    with open_model(model) as session:
        expected = session.run(feeds)["y"]
    found = module(*(torch.from_numpy(feeds[name]) for name in module.input_names))
    found = found[0] if isinstance(found, tuple) else found
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-4, atol=1e-5)


BLIND = np.where(np.arange(TOKENS)[:, None] == 0, -np.inf, CAUSAL).astype(np.float32)  # row 0 sees nothing


@pytest.mark.parametrize(
    ("mask", "zero"), [(None, False), (CAUSAL, False), (CAUSAL, True), (BLIND, True)],
    ids=["none", "causal", "guarded", "guarded blind row"],
)  # fmt: skip
def test_with_and_without_a_mask(mask: np.ndarray | None, zero: bool) -> None:
    model = attention_model(mask=mask, zero=zero)
    module = from_onnx(model)
    assert count(module) == 1
    same_as_runtime(model, module)


def test_a_row_that_sees_nothing_is_zero_instead_of_nan() -> None:
    module = from_onnx(attention_model(mask=BLIND))
    result = module(*(torch.randn(1, HEADS, TOKENS, WIDTH) for _ in range(3)))
    assert not result[:, :, 0].any()
    assert result[:, :, 1:].isfinite().all()


def test_trainable_positions_stay_written_out_and_get_gradients() -> None:
    table = np.random.default_rng(1).standard_normal((TOKENS, TOKENS)).astype(np.float32)
    model = attention_model(mask=table)
    module = from_onnx(model)
    assert count(module) == 0
    same_as_runtime(model, module)
    module(*(torch.randn(1, HEADS, TOKENS, WIDTH) for _ in range(3))).square().sum().backward()
    assert module.get_parameter("mask").grad is not None


def test_weights_that_somebody_reads_stay() -> None:
    model = attention_model(mask=CAUSAL, seen=True)
    module = from_onnx(model)
    assert count(module) == 0
    same_as_runtime(model, module)


@pytest.mark.parametrize(("name", "kernels"), [("vit", 2), ("gpt", 2)])
@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_exported_transformers_have_the_kernel_back(name: str, kernels: int, exporter: str) -> None:
    assert count(from_onnx(exported(name, exporter))) == kernels


def test_gradients_are_those_of_the_written_out_form() -> None:
    fused = from_onnx(attention_model(mask=CAUSAL, zero=True)).double()
    plain = from_onnx(attention_model(mask=CAUSAL, zero=True, seen=True)).double()
    inputs = [torch.randn(1, HEADS, TOKENS, WIDTH, dtype=torch.float64) for _ in range(3)]
    gradients = []
    for module in (fused, plain):
        leaves = [x.clone().requires_grad_() for x in inputs]
        result = module(*leaves)
        (result[0] if isinstance(result, tuple) else result).square().sum().backward()
        gradients.append([x.grad for x in leaves])
    for one, two in zip(*gradients, strict=True):
        torch.testing.assert_close(one, two)


def test_types_of_onnx_are_not_needed_to_fuse() -> None:
    model = attention_model(mask=CAUSAL)
    for value in model.graph.input:
        value.type.tensor_type.elem_type = TensorProto.FLOAT
        value.type.tensor_type.ClearField("shape")
    assert count(from_onnx(model)) == 1
