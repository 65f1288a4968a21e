"""A run that was killed or interrupted goes on and ends as if nothing had happened, bit for bit."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from compressor.errors import UsageError
from compressor.training import checkpoint
from compressor.training.data import Batch, Indices, Samples, carve
from compressor.training.objective import Mixture
from compressor.training.trainer import Trainer
from tests.training.small import QUICK, blobs, context, network, same, weights

FILE = "step-01.pt"


class Killed(BaseException):
    """Nothing may catch this: as good as a kill."""


def killed_after(folder: Path, batch: int, trainer: Trainer = QUICK) -> None:
    """A run that dies without a word after a batch; an epoch has 7."""

    def die(stage: str, done: int, total: int) -> None:
        if done == batch:
            raise Killed

    with pytest.raises(Killed):
        trainer(network(), context(folder, progress=die))


def uninterrupted(trainer: Trainer = QUICK) -> tuple[dict[str, torch.Tensor], list[dict[str, object]]]:
    """Weights and history of a run that nothing happens to."""
    module, around = network(), context()
    trainer(module, around)
    return weights(module), [{k: v for k, v in entry.items() if k != "seconds"} for entry in around.history]


@pytest.mark.parametrize("trainer", [QUICK, replace(QUICK, optimizer="adamw", learning_rate=0.01, clip_norm=0.5)])
@pytest.mark.parametrize("batch", [2, 8, 28])
def test_killed_and_resumed(tmp_path: Path, batch: int, trainer: Trainer) -> None:
    killed_after(tmp_path, batch, trainer)
    module, around = network(), context(tmp_path)
    trainer(module, around)
    wanted, history = uninterrupted(trainer)
    assert same(weights(module), wanted)
    assert [{k: v for k, v in entry.items() if k != "seconds"} for entry in around.history] == history


def test_resuming_repeats_no_finished_epoch(tmp_path: Path) -> None:
    killed_after(tmp_path, 15)
    told: list[int] = []
    QUICK(network(), context(tmp_path, progress=lambda stage, done, total: told.append(done)))
    assert told == list(range(15, 29))


def test_ctrl_c_saves_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    def press(stage: str, done: int, total: int) -> None:
        if done == 10:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        QUICK(network(), context(tmp_path, progress=press))
    assert signal.getsignal(signal.SIGINT) is before
    told: list[int] = []
    module, around = network(), context(tmp_path, progress=lambda stage, done, total: told.append(done))
    QUICK(module, around)
    assert told == list(range(11, 29))
    assert same(weights(module), uninterrupted()[0])


class Pressing:
    """Validation samples in the midst of which Ctrl-C is pressed."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def batch(self, indices: Indices) -> Batch:
        """See Samples."""
        os.kill(os.getpid(), signal.SIGINT)
        return self._samples.batch(indices)


def test_ctrl_c_during_validation_is_not_forgotten(tmp_path: Path) -> None:
    around = context(tmp_path)
    assert around.validation is not None
    around.validation = Pressing(around.validation)
    with pytest.raises(KeyboardInterrupt):
        replace(QUICK, batch_size=64)(network(), around)
    module = network()
    replace(QUICK, batch_size=64)(module, context(tmp_path))
    whole = network()
    replace(QUICK, batch_size=64)(whole, context())
    assert same(weights(module), weights(whole))


def test_a_finished_run_is_only_loaded(tmp_path: Path) -> None:
    first, second = network(), network()
    QUICK(first, context(tmp_path))
    told: list[str] = []
    around = context(tmp_path, progress=lambda stage, done, total: told.append(stage))
    QUICK(second, around)
    assert not told
    assert same(weights(first), weights(second))
    assert len(around.history) == 5


@pytest.mark.parametrize(
    ("change", "said"),
    [("settings", "settings was"), ("seed", "seed was 3, is 4"), ("weights", "weights before was sha256:")],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, change: str, said: str) -> None:
    killed_after(tmp_path, 8)
    trainer = replace(QUICK, epochs=9) if change == "settings" else QUICK
    module = network(seed=1 if change == "weights" else 0)
    with pytest.raises(UsageError, match=f"{FILE}: belongs to another run: .*{said}"):
        trainer(module, context(tmp_path, seed=4 if change == "seed" else 3))


def test_a_checkpoint_of_another_teacher_is_refused(tmp_path: Path) -> None:
    def taught(seed: int) -> None:
        around = context(tmp_path)
        around.__dict__["teacher"] = network(seed)  # in place of one from a file
        replace(QUICK, mixture=Mixture(distill=0.5))(network(), around)

    taught(5)
    taught(5)
    with pytest.raises(UsageError, match="belongs to another run: teacher was sha256:"):
        taught(6)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    killed_after(tmp_path, 8)
    path = tmp_path / FILE
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UsageError, match="cannot be read as a checkpoint"):
        QUICK(network(), context(tmp_path))


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    torch.save({"format": 1, "identity": Path("x")}, tmp_path / FILE)  # any class that is no tensor
    with pytest.raises(UsageError, match="cannot be read as a checkpoint"):
        checkpoint.load(tmp_path / FILE, {})


def test_a_kill_while_the_checkpoint_is_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed_after(tmp_path, 8)
    before = (tmp_path / FILE).read_bytes()

    def half(state: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise Killed

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(Killed):
        QUICK(network(), context(tmp_path))
    assert (tmp_path / FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_no_folder_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    QUICK(network(), context())
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_of_other_data_is_refused(tmp_path: Path) -> None:
    killed_after(tmp_path, 10)
    other = carve(blobs(seed=5), 0.25, 3)  # as many samples
    around = context(tmp_path)
    around.train, around.validation = other.train, other.validation
    with pytest.raises(UsageError, match="belongs to another run: labels was"):
        QUICK(network(), around)
