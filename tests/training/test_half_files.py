"""Files of float16: trained in float32, as small steps need, and float16 again when they are written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx_graphsurgeon as gs
import pytest
import torch

from compressor.finetuning import Finetuning, tune
from compressor.graph_copy import copy_graph
from compressor.training.objective import Mixture
from compressor.training.precision import weights_in_float32
from compressor.training.trainer import Trainer
from tests.training.small import QUICK, context, network, same, weights
from tests.training.test_precision import pictures_network

RNG = np.random.default_rng(0)
SMALL_STEPS = Trainer(epochs=30, batch_size=16, optimizer="adamw", learning_rate=3e-5, schedule="constant")
LABELS = RNG.integers(0, 5, 64)
PICTURES = RNG.standard_normal((64, 3, 8, 8)).astype(np.float32)
PICTURES[np.arange(64), 0, :, :] += LABELS[:, None, None]


def _half() -> gs.Graph:
    graph = copy_graph(pictures_network())
    for tensor in graph.tensors().values():
        if isinstance(tensor, gs.Constant):
            tensor.values = tensor.values.astype(np.float16)
        else:
            tensor.dtype = np.dtype(np.float16)
    return graph


@pytest.mark.parametrize("keep_zeros", [False, True])
@pytest.mark.parametrize("mixture", [Mixture(), Mixture(distill=0.5, features=0.5)])
def test_training_a_float16_file_moves_it_as_its_float32_twin(mixture: Mixture, keep_zeros: bool) -> None:
    trainer = replace(SMALL_STEPS, mixture=mixture)
    moved, kinds = [], set()
    for graph, kind in ((_with_zeros(pictures_network()), np.float32), (_with_zeros(_half()), np.float16)):
        wish = Finetuning(trainer, (PICTURES.astype(kind), LABELS), 0.25, device="cpu", keep_zeros=keep_zeros)
        after = tune(graph, graph, wish).graph.tensors()["w"].values
        kinds.add(after.dtype.type)
        assert bool(after[:, 0, 0, 0].any()) != keep_zeros
        moved.append(after.astype(np.float32) - graph.tensors()["w"].values.astype(np.float32))
    assert kinds == {np.float32, np.float16}
    assert np.abs(moved[0]).max() > 0.001
    # half a step of float16 at the end, and what the rounded start makes of the way: none of it adds up
    np.testing.assert_allclose(moved[1], moved[0], atol=0.1 * np.abs(moved[0]).max())


def _with_zeros(graph: gs.Graph) -> gs.Graph:
    kernel = graph.tensors()["w"].values.copy()
    kernel[:, 0, 0, 0] = 0
    graph.tensors()["w"].values = kernel
    return graph


def test_every_tensor_has_its_own_type_again_even_after_an_error() -> None:
    module = torch.nn.Sequential(network().half(), torch.nn.Linear(1, 1))
    before = weights(module)
    seen: set[torch.dtype] = set()

    def fail() -> None:
        with weights_in_float32(module, context()):
            seen.update(value.dtype for value in module.parameters())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen == {torch.float32}
    assert same(weights(module), before)
    assert {name: value.dtype for name, value in weights(module).items()} == {n: v.dtype for n, v in before.items()}


def test_a_float32_module_is_left_alone() -> None:
    around = context()
    with weights_in_float32(network(), around) as inside:
        assert inside is around


def test_a_module_of_16_bits_learns() -> None:
    module, around = network().bfloat16(), context()
    replace(QUICK, epochs=6)(module, around)
    assert {value.dtype for value in module.parameters()} == {torch.bfloat16}
    losses = [entry["validation_loss"] for entry in around.history]
    assert losses[-1] < losses[0] / 2
