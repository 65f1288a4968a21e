"""Patience: what ends one step of a schedule, what each step starts from; batch norms right after a cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from compressor.bridge import from_onnx
from compressor.errors import UsageError
from compressor.training.batch_norm import reestimate_batch_norms
from compressor.training.data import ArraySamples
from compressor.training.evaluate import evaluate_module
from compressor.training.trainer import Trainer
from tests.training import digits
from tests.training.small import QUICK, WANTED, WIDTH, blobs, context, network, same, weights

STEPS = (0.4, 0.6, 0.7)
CPU = torch.device("cpu")


@pytest.mark.parametrize(("step", "epochs"), [(1, 4), (2, 2), (3, 2)])
def test_the_first_step_may_have_more_patience_than_the_tail(step: int, epochs: int) -> None:
    around = context(step=step, schedule=STEPS)
    replace(QUICK, epochs=50, patience=4, tail_patience=2, min_delta=1e9)(network(), around)
    assert [entry["epoch"] for entry in around.history] == list(range(epochs + 1))
    assert {entry["step"] for entry in around.history} == {step}


def test_without_a_tails_own_every_step_has_the_same_patience() -> None:
    assert [Trainer(patience=3).patience_at(step) for step in (1, 2, 9)] == [3, 3, 3]
    assert [Trainer().patience_at(step) for step in (1, 2)] == [None, None]
    with pytest.raises(UsageError, match="later steps alone"):
        Trainer(tail_patience=3)
    with pytest.raises(UsageError, match="tail_patience is 0"):
        Trainer(patience=3, tail_patience=0)


def test_with_patience_the_rate_is_constant_unless_asked_otherwise() -> None:
    """A cycle that may end any epoch would be ended at its peak."""
    assert (Trainer().schedule_used, Trainer().peak_learning_rate) == ("one-cycle", 0.05)
    patient = Trainer(patience=3)
    assert patient.schedule_used == "constant"
    assert patient.peak_learning_rate == pytest.approx(0.01)
    assert Trainer(patience=3, learning_rate=0.3).peak_learning_rate == 0.3
    asked = Trainer(patience=3, schedule="one-cycle")
    assert (asked.schedule_used, asked.peak_learning_rate) == ("one-cycle", 0.05)
    assert patient.to_json()["schedule"] == "constant"


def test_improvements_below_min_delta_do_not_count_but_their_weights_do() -> None:
    module, around = network(), context()
    # Learns a little every epoch, never by as much as asked for.
    trainer = Trainer(epochs=50, batch_size=16, learning_rate=1e-3, schedule="constant", patience=3, min_delta=0.5)
    trainer(module, around)
    losses = [entry["validation_loss"] for entry in around.history]
    assert len(losses) == 4
    assert losses == sorted(losses, reverse=True)
    assert around.validation is not None
    assert evaluate_module(module, around.validation).loss == pytest.approx(losses[-1], rel=1e-6)


def test_each_step_starts_its_optimiser_anew() -> None:
    """Momentum of the first step would carry on into the second, had it been kept."""
    module, other = network(), network()
    QUICK(module, context(step=1, schedule=STEPS))
    other.load_state_dict(weights(module))
    QUICK(module, context(step=2, schedule=STEPS))
    Trainer(**QUICK.__dict__)(other, context(step=2, schedule=STEPS))
    assert same(weights(module), weights(other))


def test_each_step_sees_the_data_in_an_order_of_its_own() -> None:
    first, second = network(), network()
    QUICK(first, context(step=1, schedule=STEPS))
    QUICK(second, context(step=2, schedule=STEPS))
    assert not same(weights(first), weights(second))


def _batch_norm_of(module: nn.Module) -> nn.BatchNorm1d:
    (found,) = (part for part in module.modules() if isinstance(part, nn.BatchNorm1d))
    return found


def test_statistics_are_those_of_what_arrives() -> None:
    module, data = network(), blobs(160)
    assert reestimate_batch_norms(module, data, 16, CPU) == 1
    first = module.get_submodule("0")
    arriving = first(torch.from_numpy(data.batch(np.arange(160)).inputs[0])).detach()
    norm = _batch_norm_of(module)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_mean, arriving.mean(0))
    torch.testing.assert_close(norm.running_var, arriving.var(0, correction=0))
    assert not module.training


def test_later_batch_norms_see_what_earlier_ones_give_now() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.BatchNorm1d(8)).eval()
    with torch.no_grad():
        module.get_buffer("1.running_mean").fill_(50)  # far off: all would be 0 after it
    data = blobs(160)
    assert reestimate_batch_norms(module, data, 160, CPU) == 2
    with torch.no_grad():
        result = module(torch.from_numpy(data.batch(np.arange(160)).inputs[0]))
    torch.testing.assert_close(result.mean(0), torch.zeros(8), atol=1e-3, rtol=0)
    torch.testing.assert_close(result.var(0), torch.ones(8), atol=2e-2, rtol=0)


def test_nothing_else_changes_and_nothing_is_drawn() -> None:
    module = network()
    before, state = weights(module), torch.get_rng_state()
    reestimate_batch_norms(module, blobs(), 16, CPU)
    after = weights(module)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"1.running_mean", "1.running_var"}
    assert torch.equal(torch.get_rng_state(), state)


def test_one_number_a_channel_is_no_estimate() -> None:
    module = network()
    before = weights(module)
    assert reestimate_batch_norms(module, blobs(1), 1, CPU) == 0
    assert same(weights(module), before)


def test_a_module_made_from_a_graph_has_its_batch_norms_moved() -> None:
    module, data = from_onnx(digits.model()), digits.samples("train")
    with torch.no_grad():  # as if a cut had changed what arrives
        for name, value in module.named_parameters():
            if value.ndim == 4:
                value.mul_(2.0 if "0" in name else 0.5)
    before = evaluate_module(module, data).loss
    assert reestimate_batch_norms(module, data, 64, CPU) > 0
    assert evaluate_module(module, data).loss < before


def test_right_after_a_cut_and_not_otherwise() -> None:
    losses = {}
    for schedule in ((0.0,), (0.5,)):
        module, around = network(), context(schedule=schedule)
        QUICK(module, context())
        norm = _batch_norm_of(module)
        assert norm.running_mean is not None
        norm.running_mean.fill_(20.0)
        replace(QUICK, epochs=1, learning_rate=1e-9)(module, around)
        losses[schedule] = around.history[0]["validation_loss"]
    assert losses[0.5,] < losses[0.0,]


def test_statistics_that_make_it_worse_are_not_kept() -> None:
    """Trained to convergence with its own running statistics; those of a poor sample are worse."""
    module, around = network(), context(schedule=(0.5,))
    replace(QUICK, epochs=8)(module, context())
    assert around.validation is not None
    best = weights(module)
    loss = evaluate_module(module, around.validation).loss
    around.train = ArraySamples([np.zeros((16, WIDTH), np.float32)], np.zeros(16, np.int64), WANTED, "zeros")
    poor = network()
    poor.load_state_dict(best)
    reestimate_batch_norms(poor, around.train, 16, CPU)
    assert evaluate_module(poor, around.validation).loss > loss
    replace(QUICK, epochs=1, learning_rate=1e-12)(module, around)
    assert around.history[0]["validation_loss"] == pytest.approx(loss, rel=1e-6)
