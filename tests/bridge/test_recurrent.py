"""Recurrent layers: the fast way equals PyTorch's layers, both ways equal ONNX Runtime, whatever the options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from compressor.bridge.ops.recurrent import looped, native_recurrent
from tests.bridge.one_node import Array, arguments, compare_with_runtime, module_of

RNG = np.random.default_rng(2)
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
TIME, BATCH, INPUT, HIDDEN = 5, 3, 4, 6


def _weights(op: str, directions: int) -> list[Array]:
    rows = GATES[op] * HIDDEN
    shapes = [(directions, rows, INPUT), (directions, rows, HIDDEN), (directions, 2 * rows)]
    return [RNG.normal(0, 0.5, shape).astype(np.float32) for shape in shapes]


def _x() -> Array:
    return RNG.normal(size=(TIME, BATCH, INPUT)).astype(np.float32)


def _onnx_order(op: str, matrix: torch.Tensor) -> Array:
    """PyTorch's gates in the order of ONNX."""
    order = {"RNN": (0,), "GRU": (1, 0, 2), "LSTM": (0, 3, 1, 2)}[op]
    gates = matrix.detach().chunk(GATES[op])
    return torch.cat([gates[i] for i in order]).numpy()


@pytest.mark.parametrize("op", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_fast_way_is_the_layer_of_torch_in_values_and_gradients(op: str, bidirectional: bool) -> None:
    layer: Any = getattr(nn, op)(INPUT, HIDDEN, bidirectional=bidirectional)
    ends = ["", "_reverse"] if bidirectional else [""]
    w, r, bw, br = (
        np.stack([_onnx_order(op, getattr(layer, f"{name}_l0{end}")) for end in ends])
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    attributes = {"hidden_size": HIDDEN, "direction": "bidirectional" if bidirectional else "forward"}
    if op == "GRU":
        attributes["linear_before_reset"] = 1
    inputs = [_x(), w, r, np.concatenate([bw, br], 1)]
    module = module_of(op, inputs, attributes, constants=(1, 2, 3), outputs=2)
    assert native_recurrent in {node.target for node in module.graph.nodes}
    x = torch.from_numpy(inputs[0])
    found, _ = module(x)
    wanted = layer(x)[0].view(TIME, BATCH, len(ends), HIDDEN).transpose(1, 2)
    torch.testing.assert_close(found, wanted)
    found.square().sum().backward()
    wanted.square().sum().backward()
    gradient = next(p.grad for p in module.parameters() if p.shape == w.shape)
    assert gradient is not None
    expected = np.stack([_onnx_order(op, getattr(layer, f"weight_ih_l0{end}").grad) for end in ends])
    np.testing.assert_allclose(gradient.numpy(), expected, rtol=1e-4, atol=1e-5)


CASES: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {"direction": "reverse"}),
    ("RNN", {"activations": ["Relu"]}),
    ("RNN", {"activations": ["LeakyRelu", "ScaledTanh"], "activation_alpha": [0.3, 1.2], "activation_beta": [0.7],
             "direction": "bidirectional"}),
    ("RNN", {"clip": 0.3}),
    ("GRU", {}),
    ("GRU", {"direction": "bidirectional"}),
    ("GRU", {"direction": "reverse", "linear_before_reset": 1}),
    ("GRU", {"linear_before_reset": 1, "activations": ["HardSigmoid", "Softsign"]}),
    ("LSTM", {"direction": "reverse"}),
    ("LSTM", {"direction": "bidirectional", "clip": 0.5}),
    ("LSTM", {"activations": ["HardSigmoid", "Elu", "Tanh"], "activation_alpha": [0.3, 0.9], "activation_beta": [0.4]}),
]  # fmt: skip


@pytest.mark.parametrize(("op", "attributes"), CASES)
@pytest.mark.parametrize("given", ["weights", "states", "lengths"])
def test_options_as_in_onnx_runtime(op: str, attributes: dict[str, Any], given: str) -> None:
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    inputs: list[Array | None] = [_x(), *_weights(op, directions)]
    if given != "weights":
        inputs.append(np.array([5, 2, 4], np.int32) if given == "lengths" else None)
        inputs += [RNG.normal(size=(directions, BATCH, HIDDEN)).astype(np.float32) for _ in range(1 + (op == "LSTM"))]
    how: dict[str, Any] = {"constants": (1, 2, 3), "outputs": 3 if op == "LSTM" else 2}
    compare_with_runtime(op, inputs, {"hidden_size": HIDDEN, **attributes}, **how)


def test_peepholes_as_in_onnx_runtime() -> None:
    states = [RNG.normal(size=(1, BATCH, HIDDEN)).astype(np.float32) for _ in range(2)]
    peepholes = RNG.normal(size=(1, 3 * HIDDEN)).astype(np.float32)
    inputs: list[Array | None] = [_x(), *_weights("LSTM", 1), None, *states, peepholes]
    compare_with_runtime("LSTM", inputs, {"hidden_size": HIDDEN}, constants=(1, 2, 3, 7), outputs=3)


@pytest.mark.parametrize("op", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("clip", [0.0, 100.0])
def test_layout_by_batch_is_the_other_turned_round(op: str, clip: float) -> None:
    x, weights = _x(), _weights(op, 2)
    attributes = {"hidden_size": HIDDEN, "direction": "bidirectional", "clip": clip}
    if op == "GRU":
        attributes["linear_before_reset"] = 1
    how: dict[str, Any] = {"constants": (1, 2, 3), "outputs": 2}
    by_time = module_of(op, [x, *weights], attributes, **how)
    by_batch = module_of(op, [x, *weights], {**attributes, "layout": 1}, **how)
    way = looped if clip else native_recurrent
    assert way in {node.target for node in by_time.graph.nodes}
    tensor = torch.from_numpy(x)
    y, h = by_time(tensor)
    y2, h2 = by_batch(tensor.transpose(0, 1))
    torch.testing.assert_close(y2.permute(1, 2, 0, 3), y)
    torch.testing.assert_close(h2.transpose(0, 1), h)


@pytest.mark.parametrize(("op", "attributes"), [("LSTM", {"input_forget": 1}), ("GRU", {}), ("RNN", {"clip": 5.0})])
def test_gradients_of_the_loop(op: str, attributes: dict[str, Any]) -> None:
    inputs = [v.astype(np.float64) for v in (_x()[:2, :, :], *_weights(op, 1))]
    module = module_of(op, inputs, {"hidden_size": HIDDEN, **attributes}, outputs=2)
    assert looped in {node.target for node in module.graph.nodes}
    tensors = [value.requires_grad_() for value in arguments(inputs)]
    assert torch.autograd.gradcheck(lambda *given: module(*given)[0], tensors)


@pytest.mark.parametrize("op", ["RNN", "GRU", "LSTM"])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_an_initial_state_of_zeros_is_no_parameter_a_learnt_one_is(op: str, value: float) -> None:
    w, r, b = _weights(op, 1)
    state = np.full((1, BATCH, HIDDEN), value, np.float32)
    states = [state, state.copy()] if op == "LSTM" else [state]
    inputs = [_x(), w, r, b, None, *states]
    numbers = range(5, 5 + len(states))
    module = module_of(op, inputs, {"hidden_size": HIDDEN}, constants=(1, 2, 3, *numbers), outputs=2)
    found = {module.report.fixed.get(f"input.{i}") for i in numbers}
    assert found == {None if value else "an initial state of zeros"}
    assert {f"input.{i}" in module.report.initializers.values() for i in numbers} == {bool(value)}
