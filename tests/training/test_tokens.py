"""A language model: tokens in, a label a token, through pruning, training and write-back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import compressor
from compressor.bridge import from_onnx
from compressor.finetuning import Finetuning
from compressor.models.export import export
from compressor.models.registry import MODELS
from compressor.training.data_sources import load_samples
from compressor.training.evaluate import evaluate_file, evaluate_module
from compressor.training.objective import Mixture
from compressor.training.trainer import Trainer
from compressor.training.wanted import WantedInput

LENGTH, VOCABULARY = 16, 64


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained GPT in the form for training."""
    path = tmp_path_factory.mktemp("gpt") / "gpt.onnx"
    torch.manual_seed(0)
    example = torch.zeros(2, LENGTH, dtype=torch.int64)
    export(MODELS.get("gpt").factory(), (example,), path, form="training", dynamic="batch", output_names=["logits"])
    return path


def sequences(count: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each token is the one before plus three; the first label is left out, as for a prompt."""
    start = np.random.default_rng(seed).integers(0, VOCABULARY, (count, 1))
    whole = (start + 3 * np.arange(LENGTH + 1)) % VOCABULARY
    labels = whole[:, 1:].copy()
    labels[:, 0] = -100
    return whole[:, :-1], labels


def test_a_pruned_language_model_learns(model: Path, tmp_path: Path) -> None:
    trainer = Trainer(epochs=8, batch_size=32, optimizer="adamw", learning_rate=5e-3, mixture=Mixture(distill=0.1))
    wish = Finetuning(trainer, data=sequences(256, 0))
    output = tmp_path / "o.onnx"
    result = compressor.compress(model, output, channels=0.6, finetune=wish)
    assert result.training is not None
    assert result.training["weights"]["trainable"] > 0.9 * result.training["weights"]["total"]
    wanted = [WantedInput("tokens", np.dtype(np.int64), ("N", LENGTH))]
    test = load_samples(sequences(64, 1), wanted)
    before, after = evaluate_file(model, test), evaluate_file(output, test)
    assert before.accuracy is not None
    assert after.accuracy is not None
    assert before.accuracy < 0.2
    assert after.accuracy > 0.9
    assert evaluate_module(from_onnx(output), test).loss == pytest.approx(after.loss, rel=1e-4)
