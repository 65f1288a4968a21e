"""What `--data` takes, what it refuses and in which words, and what is drawn from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from compressor.errors import UsageError
from compressor.training.data import carve, in_order, shuffled
from compressor.training.data_sources import load_samples, load_splits
from compressor.training.wanted import WantedInput
from tests.training.small import WANTED, WIDTH, blobs

POINTS = np.arange(8 * WIDTH, dtype=np.float32).reshape(8, WIDTH)
LABELS = np.arange(8)
TWO = [*WANTED, WantedInput("mask", np.dtype(np.bool_), ("N", None))]
FUNCTIONS = """
import numpy as np
import torch

POINTS = np.arange(48, dtype=np.float32).reshape(8, 6)
LABELS = np.arange(8)

def arrays():
    return POINTS, LABELS

def tensors():
    return torch.from_numpy(POINTS), torch.from_numpy(LABELS)

class Points(torch.utils.data.Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, index):
        return POINTS[index], int(LABELS[index])

def dataset():
    return Points()

def loader():
    return torch.utils.data.DataLoader(Points(), batch_size=3)

def generator():
    for start in range(0, 8, 4):
        yield POINTS[start:start + 4], LABELS[start:start + 4]

def pairs():
    return list(zip(POINTS, LABELS))

def both():
    return {"train": (POINTS[:6], LABELS[:6]), "validation": (POINTS[6:], LABELS[6:])}

def wrong():
    return 7
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "own_data.py"
    path.write_text(FUNCTIONS)
    return path


@pytest.mark.parametrize("function", ["arrays", "tensors", "dataset", "loader", "generator", "pairs"])
def test_whatever_a_function_returns_the_samples_are_the_same(file: Path, function: str) -> None:
    samples = load_samples(f"{file}:{function}", WANTED)
    batch = samples.batch(np.array([5, 0]))
    assert len(samples) == 8
    assert np.array_equal(batch.inputs[0], POINTS[[5, 0]])
    assert batch.inputs[0].dtype == np.float32
    assert batch.labels is not None
    assert batch.labels.tolist() == [5, 0]


def test_a_function_may_bring_its_own_validation_samples(file: Path) -> None:
    splits = load_splits(f"{file}:both", WANTED, validation=0.5)
    assert splits.validation is not None
    assert (len(splits.train), len(splits.validation)) == (6, 2)


def test_several_inputs_and_no_labels() -> None:
    mask = np.ones((8, 2), bool)
    batch = load_samples((POINTS, mask), TWO).batch(np.array([1]))
    assert [array.shape for array in batch.inputs] == [(1, WIDTH), (1, 2)]
    assert batch.labels is None
    labelled = load_samples(((POINTS, mask), LABELS), TWO).batch(np.array([1]))
    assert labelled.labels is not None


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x=POINTS.astype(np.float64), labels=LABELS)
    batch = load_samples(path, WANTED).batch(np.array([2]))
    assert batch.inputs[0].dtype == np.float32
    assert batch.inputs[0].tolist() == [POINTS[2].tolist()]


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (
            {"y": POINTS},
            r"has no array 'x'; it has 'y' float32 \[8, 6\].*Wanted arrays: 'x' float32 \[N, 6\], 'labels'",
        ),
        ({"x": POINTS[:, :3]}, r"has float32 \[8, 3\] for an input, the model wants 'x' float32 \[N, 6\]"),
        ({"x": POINTS.astype(np.uint8)}, r"has uint8 \[8, 6\] for an input, the model wants 'x' float32"),
        ({"x": POINTS, "labels": LABELS[:3]}, "rows of its arrays: x 8, labels 3"),
        ({"x": POINTS[:0]}, "rows of its arrays: x 0"),
        ({"x": np.array([object()])}, "cannot be read as .npz: ValueError: Object arrays"),
    ],
)
def test_an_npz_that_does_not_fit(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(UsageError, match=said):
        load_samples(tmp_path / "d.npz", WANTED)


class Raising:
    """A data set that stumbles over every sample."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> float:
        return 1 / 0


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere.npz", "cannot be read as .npz"),
        ("plain.txt", "is no data source"),
        ((POINTS,) * 4, r"gives 4 arrays a sample, the model has 1 inputs \(x\)"),
        ([], "gives 0 arrays"),
        (iter([]), "gives no batches"),
        ([(POINTS[0], 1), (POINTS[0, :2], 1)], "samples differ in shape"),
        ([(POINTS[0], 1), (POINTS[0],)], "samples have 1 to 2 parts"),
        (iter([(POINTS, LABELS), (POINTS,)]), "batches have 1 to 2 parts"),
        (iter([(POINTS, LABELS), (POINTS[:, :2], LABELS)]), r"batches differ in shape: \[8, 6\], \[8, 2\]"),
        ((POINTS[5 + row] for row in range(8)), "its batches raised IndexError: index 8 is out of bounds"),
        (Raising(), "the data raised ZeroDivisionError: division by zero"),
        ({"validation": (POINTS, LABELS)}, "has no 'train'"),
    ],
)
def test_sources_that_are_none(source: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_samples(source, WANTED).batch(np.array([0, 1]))


def test_a_function_that_returns_nonsense(file: Path) -> None:
    with pytest.raises(UsageError, match=r"own_data\.py:wrong: gives int"):
        load_samples(f"{file}:wrong", WANTED)


def test_the_validation_part_depends_on_the_seed_alone() -> None:
    def parts(seed: int) -> tuple[list[float], list[float]]:
        splits = carve(blobs(), 0.25, seed)
        assert splits.validation is not None
        sides = (splits.train, splits.validation)
        train, validation = (side.batch(np.arange(len(side))).inputs[0][:, 0].tolist() for side in sides)
        return train, validation

    train, validation = parts(1)
    assert (len(train), len(validation)) == (120, 40)
    assert not set(train) & set(validation)
    assert parts(1) == (train, validation)
    assert parts(2) != (train, validation)


@pytest.mark.parametrize("share", [-0.1, 1.0, 0.001])
def test_a_split_with_an_empty_side_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="leaves one side empty"):
        carve(blobs(), share, 0)


def test_the_order_of_an_epoch_is_a_function_of_seed_step_and_epoch() -> None:
    assert sorted(shuffled(50, 0, 1, 0)) == list(range(50))
    assert np.array_equal(shuffled(50, 0, 1, 0), shuffled(50, 0, 1, 0))
    orders = [tuple(shuffled(50, *key)) for key in ((0, 1, 0), (0, 1, 1), (0, 2, 0), (1, 1, 0))]
    assert len(set(orders)) == 4


def test_processes_share_the_samples_out() -> None:
    seen = [batch.labels for rank in range(3) for batch in in_order(load_samples((POINTS, LABELS), WANTED), 2, rank, 3)]
    assert sorted(label for labels in seen if labels is not None for label in labels) == LABELS.tolist()


class TestImageFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name, colour in (("cat", (255, 0, 0)), ("ant", (0, 51, 255))):
            (tmp_path / name).mkdir()
            Image.new("RGB", (20, 10), colour).save(tmp_path / name / "1.png")
        (tmp_path / "ant" / "notes.txt").write_text("no picture")
        return tmp_path

    @staticmethod
    def wanted(*shape: int | str) -> list[WantedInput]:
        return [WantedInput("image", np.dtype(np.float32), shape)]

    def test_classes_are_sorted_folders_and_pictures_take_the_models_size(self, folder: Path) -> None:
        samples = load_samples(folder, self.wanted("N", 3, 4, 6))
        batch = samples.batch(np.array([0, 1]))
        assert batch.inputs[0].shape == (2, 3, 4, 6)
        assert batch.labels is not None
        assert batch.labels.tolist() == [0, 1]  # ant, cat
        assert batch.inputs[0][0, :, 0, 0].tolist() == pytest.approx([0, 0.2, 1])

    def test_channels_last_and_grey(self, folder: Path) -> None:
        assert load_samples(folder, self.wanted("N", 4, 6, 3)).batch(np.array([0])).inputs[0].shape == (1, 4, 6, 3)
        assert load_samples(folder, self.wanted("N", 1, 4, 6)).batch(np.array([0])).inputs[0].shape == (1, 1, 4, 6)

    @pytest.mark.parametrize(
        ("pixels", "red"), [("unit", 1.0), ("symmetric", 1.0), ("imagenet", (1 - 0.485) / 0.229), ("bytes", 255.0)]
    )
    def test_scales(self, folder: Path, pixels: str, red: float) -> None:
        batch = load_samples(folder, self.wanted("N", 3, 2, 2), pixels=pixels).batch(np.array([1]))
        assert batch.inputs[0].dtype == np.float32
        assert batch.inputs[0][0, 0, 0, 0] == pytest.approx(red)

    def test_what_does_not_fit(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="pictures do not fit a model that takes 'x' float32"):
            load_samples(folder, WANTED)
        with pytest.raises(UsageError, match="unknown pixel scale 'z'"):
            load_samples(folder, self.wanted("N", 3, 4, 6), pixels="z")
        whole_numbers = [WantedInput("image", np.dtype(np.uint8), ("N", 3, 4, 6))]
        with pytest.raises(UsageError, match=r"takes whole numbers.*--pixels bytes"):
            load_samples(folder, whole_numbers)
        assert load_samples(folder, whole_numbers, pixels="bytes").batch(np.array([1])).inputs[0].max() == 255
        (folder / "cat" / "1.png").write_bytes(b"no picture")
        with pytest.raises(UsageError, match=r"1\.png: cannot be read"):
            load_samples(folder, self.wanted("N", 3, 4, 6)).batch(np.array([1]))
        Image.effect_noise((64, 64), 50).convert("RGB").save(folder / "cat" / "1.png")
        whole = (folder / "cat" / "1.png").read_bytes()
        for size in (len(whole) // 2, len(whole) - 20, 40):
            (folder / "cat" / "1.png").write_bytes(whole[:size] + b"\xff" * 12)
            with pytest.raises(UsageError, match=r"1\.png: cannot be read"):
                load_samples(folder, self.wanted("N", 3, 4, 6)).batch(np.array([1]))
        (tmp_path / "empty").mkdir()
        with pytest.raises(UsageError, match="has no pictures"):
            load_samples(tmp_path / "empty", self.wanted("N", 3, 4, 6))


def test_tensors_need_no_copy_by_hand() -> None:
    batch = load_samples((torch.from_numpy(POINTS), torch.from_numpy(LABELS)), WANTED).batch(np.array([3]))
    assert isinstance(batch.inputs[0], np.ndarray)
