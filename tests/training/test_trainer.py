"""The ready-made trainer: learns, keeps the best weights, repeats itself, says what does not fit."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from compressor.errors import UsageError
from compressor.training.data import ArraySamples
from compressor.training.evaluate import evaluate_module
from compressor.training.run import TrainingError
from compressor.training.trainer import Trainer
from tests.training.small import CLASSES, QUICK, WANTED, WIDTH, blobs, context, network, same, weights


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_it_learns(optimizer: Any) -> None:
    module, around = network(), context()
    before = evaluate_module(module, blobs(300, seed=8))
    Trainer(epochs=8, batch_size=16, optimizer=optimizer, learning_rate=0.1 if optimizer == "sgd" else 0.01)(
        module, around
    )
    after = evaluate_module(module, blobs(300, seed=8))
    assert before.accuracy is not None
    assert after.accuracy is not None
    assert after.accuracy > 0.9 > before.accuracy
    assert after.loss < before.loss
    assert [entry["epoch"] for entry in around.history] == list(range(9))
    assert around.history[-1]["train_loss"] < around.history[1]["train_loss"]


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not() -> None:
    results = []
    for seed in (3, 3, 4):
        module = network()
        QUICK(module, context(seed=seed))
        results.append(weights(module))
    assert same(results[0], results[1])
    assert not same(results[0], results[2])


def test_randomness_outside_is_left_alone() -> None:
    def drawn(train: bool) -> tuple[float, float, float]:
        random.seed(1), np.random.seed(1), torch.manual_seed(1)
        if train:
            QUICK(network_made, context())
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    network_made = network()
    assert drawn(train=True) == drawn(train=False)


def test_the_best_weights_are_put_back_even_those_before_training() -> None:
    module = network()
    Trainer(epochs=8, batch_size=16, learning_rate=0.1)(module, context())
    good, around = weights(module), context()
    # A learning rate that ruins the network: nothing that comes after is as good as what was there.
    Trainer(epochs=3, batch_size=16, learning_rate=30.0, schedule="constant", clip_norm=1.0)(module, around)
    losses = [entry["validation_loss"] for entry in around.history]
    assert losses[0] == min(losses)
    assert same(weights(module), good)


def test_what_is_put_back_reaches_the_reported_validation_loss() -> None:
    module, around = network(), context()
    replace(QUICK, epochs=6)(module, around)
    assert around.validation is not None
    best = min(entry["validation_loss"] for entry in around.history)
    assert evaluate_module(module, around.validation).loss == pytest.approx(best, rel=1e-6)


def test_patience_ends_a_run_that_does_not_improve() -> None:
    around = context()
    replace(QUICK, epochs=50, patience=2, min_delta=1e9)(network(), around)
    # min_delta is never reached, so that epoch 0 stays the last improvement
    assert [entry["epoch"] for entry in around.history] == [0, 1, 2]


def test_without_validation_the_last_weights_stay() -> None:
    module, around = network(), context(share=0.0)
    before = weights(module)
    QUICK(module, around)
    assert around.validation is None
    assert around.history[-1]["validation_loss"] is None
    assert not same(before, weights(module))


def test_accuracy_can_decide() -> None:
    module, around = network(), context()
    replace(QUICK, monitor="accuracy")(module, around)
    best = max(entry["validation_accuracy"] for entry in around.history)
    assert around.validation is not None
    assert evaluate_module(module, around.validation).accuracy == best


def test_a_time_budget_ends_the_run() -> None:
    around = context()
    Trainer(epochs=None, seconds=0.2, batch_size=16)(network(), around)
    assert len(around.history) >= 2
    assert around.history[-2]["seconds"] < 0.5


def test_a_tenth_of_the_originals_learning_rate() -> None:
    trainer = Trainer(original_learning_rate=0.4)
    assert trainer.peak_learning_rate == pytest.approx(0.04)
    assert trainer.schedule_used == "constant"


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    replace(QUICK, epochs=2)(network(), context(progress=lambda *news: told.append(news)))
    assert told == [("fine-tune", batch, 14) for batch in range(1, 15)]


def test_values_are_learnt_by_squared_error() -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((128, WIDTH)).astype(np.float32)
    targets = points @ rng.standard_normal((WIDTH, 2)).astype(np.float32)
    torch.manual_seed(0)
    module, around = nn.Linear(WIDTH, 2), context()
    around.train, around.validation = ArraySamples([points], targets, WANTED, "line"), None
    Trainer(epochs=20, batch_size=16, learning_rate=0.05)(module, around)
    assert around.history[-1]["train_loss"] < 0.01 < around.history[1]["train_loss"]


def test_a_loss_that_is_no_number_is_an_error_and_the_weights_are_put_back() -> None:
    module = network()
    before = weights(module)
    with pytest.raises(TrainingError, match="the loss is nan in epoch 1"):
        Trainer(epochs=2, batch_size=16, learning_rate=1e30, schedule="constant")(module, context())
    assert same(weights(module), before)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"epochs": None}, "without end"),
        ({"epochs": 0}, "epochs is 0"),
        ({"optimizer": "adagrad"}, "unknown optimizer"),
        ({"schedule": "cosine"}, "unknown schedule"),
        ({"learning_rate": 0.1, "original_learning_rate": 0.1}, "not both"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Trainer(**settings)


def test_what_cannot_be_trained_is_refused() -> None:
    around = context()
    around.train = None
    with pytest.raises(UsageError, match="nothing to train on"):
        QUICK(network(), around)
    with pytest.raises(UsageError, match="patience needs validation"):
        replace(QUICK, patience=1)(network(), context(share=0.0))
    with pytest.raises(UsageError, match="cannot run on inputs"):
        QUICK(nn.Linear(WIDTH + 1, CLASSES), context())
