"""Zeros stay zeros through training, whatever the optimizer; the rest learns as ever."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from compressor.bridge import from_onnx  # noqa: E402
from compressor.bridge.masks import KeptZeros  # noqa: E402
from tests.passes.graphs import model  # noqa: E402

RNG = np.random.default_rng(0)
SPARSE = np.where(RNG.random((6, 8)) < 0.5, 0, RNG.standard_normal((6, 8))).astype(np.float32)
BIAS = np.zeros(8, np.float32)


def module() -> Any:
    return from_onnx(model("h = MatMul(x, w)\ni = Add(h, b)\ny = MatMul(i, v)", {"w": SPARSE, "b": BIAS, "v": (8, 3)}))


def train(net: Any, optimizer: Any, steps: int = 5) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        net(torch.randn(16, 6)).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_zeros_stay_and_the_rest_learns(kind: str) -> None:
    net = module()
    settings = {"momentum": 0.9, "weight_decay": 0.1} if kind == "SGD" else {"weight_decay": 0.1}
    before = net.w.detach().clone()
    with KeptZeros(net) as zeros:
        train(net, getattr(torch.optim, kind)(net.parameters(), lr=1e-3, **settings))
        assert bool((net.w[before == 0] == 0).all())  # by gradients alone, before anything is set to zero again
    assert zeros.count == int((SPARSE == 0).sum())
    assert bool((net.w[before == 0] == 0).all())
    assert bool((net.w[before != 0] != before[before != 0]).all())
    assert bool((net.b != 0).all())  # biases are no part of a pattern


def test_what_an_optimizer_adds_anyway_is_set_to_zero_before_it_counts() -> None:
    net = module()
    gone = torch.tensor(SPARSE == 0)
    x = torch.randn(4, 6)
    with torch.no_grad():
        expected = net(x)
        with KeptZeros(net):
            net.w += gone.float()
            np.testing.assert_array_equal(net(x).numpy(), expected.numpy())
            net.w += gone.float()
        assert bool((net.w[gone] == 0).all())


def test_two_forward_passes_may_come_before_one_backward() -> None:
    net = module()
    with KeptZeros(net):
        (net(torch.randn(4, 6)).sum() + net(torch.randn(4, 6)).sum()).backward()
    assert net.w.grad is not None


def test_afterwards_everything_is_trained_again() -> None:
    net = module()
    with KeptZeros(net):
        pass
    train(net, torch.optim.SGD(net.parameters(), lr=1e-3))
    assert bool((net.w != 0).all())


def test_a_copy_on_another_type_or_device_is_held_too() -> None:
    net = module()
    with KeptZeros(net):
        net.double()
        net(torch.randn(4, 6, dtype=torch.float64)).sum().backward()
        assert bool((net.w.grad[torch.tensor(SPARSE == 0)] == 0).all())
