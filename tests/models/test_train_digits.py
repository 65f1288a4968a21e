"""The training script: its data step is repeatable, its augmentation moves pixels, and it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs PyTorch")

import torch
from rich.console import Console

from compressor.models.demo import demo_folder
from compressor.models.digits_cnn import digits_cnn
from compressor.models.train_digits import Settings, evaluate, shift, tensors, train, write_data


def test_the_shipped_split_is_the_scripts(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the pictures come from scikit-learn")
    write_data(tmp_path / "again.npz", Settings())
    again, shipped = np.load(tmp_path / "again.npz"), np.load(demo_folder() / "digits.npz")
    assert set(again) == set(shipped)
    assert all(np.array_equal(again[name], shipped[name]) for name in shipped)


def test_another_seed_is_another_split(tmp_path: Path) -> None:
    pytest.importorskip("sklearn", reason="the pictures come from scikit-learn")
    write_data(tmp_path / "other.npz", Settings(seed=1))
    other, shipped = np.load(tmp_path / "other.npz"), np.load(demo_folder() / "digits.npz")
    assert not np.array_equal(other["test_pixels"], shipped["test_pixels"])


def test_shift_moves_a_picture_by_one_pixel_at_most() -> None:
    torch.manual_seed(0)
    picture = torch.zeros(1, 1, 8, 8)
    picture[0, 0, 3, 4] = 1.0
    moved = shift(picture.repeat(200, 1, 1, 1))
    assert moved.shape == (200, 1, 8, 8)
    seen = {(int(row), int(column)) for row, column in moved[:, 0].nonzero()[:, 1:]}
    assert seen == {(row, column) for row in (2, 3, 4) for column in (3, 4, 5)}
    assert torch.equal(moved.sum((1, 2, 3)), torch.ones(200))


def test_two_epochs_learn_something() -> None:
    torch.manual_seed(0)
    before = digits_cnn.factory()
    untrained = evaluate(before, *tensors("validation"))[1]
    trained = train(before, Settings(epochs=2), Console(quiet=True))
    assert not trained.training
    assert evaluate(trained, *tensors("validation"))[1] > max(0.5, untrained + 0.2)
