"""Batch norms and dropout do in training what PyTorch's layers do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from compressor.bridge import OnnxModule
from tests.bridge.one_node import module_of

RNG = np.random.default_rng(0)
X = RNG.normal(2, 3, (4, 3, 5, 5)).astype(np.float32)


def _batch_norm_pair() -> tuple[OnnxModule, nn.BatchNorm2d]:
    values = [RNG.uniform(0.5, 1.5, 3).astype(np.float32) for _ in range(4)]
    module = module_of("BatchNormalization", [X, *values], {"epsilon": 1e-3, "momentum": 0.8}, constants=(1, 2, 3, 4))
    layer = nn.BatchNorm2d(3, eps=1e-3, momentum=0.2)
    for tensor, value in zip((layer.weight, layer.bias, layer.running_mean, layer.running_var), values, strict=True):
        assert tensor is not None
        tensor.data.copy_(torch.from_numpy(value))
    return module, layer


def test_batch_norm_in_training_is_that_of_torch() -> None:
    module, layer = _batch_norm_pair()
    module.train()
    layer.train()
    for _ in range(3):
        x = torch.randn(4, 3, 5, 5) + 1
        first, second = module(x), layer(x)
        torch.testing.assert_close(first, second)
        first.square().sum().backward()
        second.square().sum().backward()
    gradients = {name.split(".")[-1]: p.grad for name, p in module.named_parameters()}
    torch.testing.assert_close(list(gradients.values()), [layer.weight.grad, layer.bias.grad])
    buffers = list(module.buffers())
    torch.testing.assert_close(buffers, [layer.running_mean, layer.running_var])


def test_batch_norm_in_evaluation_changes_no_statistics() -> None:
    module, layer = _batch_norm_pair()
    before = [b.clone() for b in module.buffers()]
    torch.testing.assert_close(module(torch.from_numpy(X)), layer.eval()(torch.from_numpy(X)))
    torch.testing.assert_close(list(module.buffers()), before, rtol=0, atol=0)


def test_batch_norm_with_computed_statistics_stays_as_it_is_in_training() -> None:
    values = [np.ones(3, np.float32), np.zeros(3, np.float32), np.zeros(3, np.float32), np.ones(3, np.float32)]
    module = module_of("BatchNormalization", [X, *values], constants=(1, 2)).train()
    mean, variance = torch.zeros(3), torch.ones(3)
    result = module(torch.from_numpy(X), mean, variance)
    torch.testing.assert_close(result, torch.from_numpy(X), rtol=1e-4, atol=1e-4)
    assert not mean.any()


@pytest.mark.parametrize("opset", [11, 13])
def test_dropout_drops_in_training_only(opset: int) -> None:
    if opset < 12:
        module = module_of("Dropout", [X], {"ratio": 0.25}, opset=opset)
    else:
        module = module_of("Dropout", [X, np.array(0.25, np.float32)], constants=(1,), opset=opset)
    x = torch.ones(100, 100)
    assert module(x).equal(x)
    module.train()
    torch.manual_seed(3)
    found = module(x)
    torch.manual_seed(3)
    assert found.equal(nn.Dropout(0.25)(x))
    assert 0.2 < (found == 0).float().mean() < 0.3


def test_dropout_that_the_graph_says_trains_always_drops_and_tells_which() -> None:
    inputs = [X, np.array(0.5, np.float32), np.array(True)]
    module = module_of("Dropout", inputs, constants=(1, 2), outputs=2, types=(1, 9)).eval()
    x = torch.ones(50, 50)
    found, kept = module(x)
    assert kept.dtype == torch.bool
    assert found.equal(kept * 2.0)
    assert 0.4 < kept.float().mean() < 0.6
