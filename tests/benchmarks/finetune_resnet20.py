"""ResNet-20 cut to half its MACs, fine-tuned on the CIFAR-10 training pictures, written back, evaluated twice.

    python -m tests.benchmarks.finetune_resnet20            # three epochs, all pictures
    python -m tests.benchmarks.finetune_resnet20 --kill     # killed in the middle, resumed, compared
    python -m tests.benchmarks.finetune_resnet20 --epochs 1 --pictures 2000 --test 1000

The test pictures are looked at before, after pruning and after fine-tuning, and decide nothing.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from compressor.bridge import from_onnx
from compressor.finetuning import Finetuning
from compressor.model_io import read
from compressor.passes.scores import CRITERIA
from compressor.passes.selection import Options, Scope
from compressor.pipeline import compress
from compressor.training.data import ArraySamples, Indices, Samples
from compressor.training.evaluate import Evaluation, evaluate_file, evaluate_module
from compressor.training.objective import Mixture
from compressor.training.trainer import Trainer
from compressor.training.wanted import wanted_inputs
from tests.benchmarks.report import FOLDER, load_average, new_table, save, show
from tests.zoo.source import SHARED, import_file

NAME = "finetune_resnet20"
MODEL = SHARED / "models" / "resnet20_cifar10_bn.onnx"
DATA = SHARED / "data" / "cifar10.py"
CALIBRATION = 1024  # pictures
PADDING = 4  # pixels around a picture, of which a crop takes some, as the network was trained


@dataclass(frozen=True)
class Setup:
    """What a run is made of; None takes all pictures."""

    keep_macs: float = 0.5
    epochs: int = 3
    pictures: int | None = None
    test: int | None = None
    batch_size: int = 128
    learning_rate: float = 0.05
    distill: float = 0.0
    criterion: str = "l1"
    scope: Scope = "per-space"
    recover: bool = False  # before training, from training pictures
    padding: int = PADDING
    seed: int = 0
    threads: int | None = None


class Pictures:
    """CIFAR-10 pictures in memory; for training a random crop (none without padding) and a mirror image."""

    def __init__(self, split: str, count: int | None, augment: bool, padding: int = PADDING) -> None:
        cifar = import_file(DATA)
        images, labels = cifar.load(split)
        self._images: NDArray[np.float32] = cifar.normalize(images[:count])
        self._labels = labels[:count].astype(np.int64)
        self._augment, self._padding = augment, padding

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], int]:
        return self._images[index], int(self._labels[index])

    def __getitems__(self, indices: list[int]) -> list[tuple[NDArray[np.float32], int]]:
        images = self._images[indices]
        if self._augment:
            images = _augmented(images, self._padding)
        return list(zip(images, (int(label) for label in self._labels[indices]), strict=True))

    def arrays(self, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Some of them with their labels, for criteria and recovery."""
        chosen = np.random.default_rng(seed).permutation(len(self))[:CALIBRATION]
        return self._images[chosen], self._labels[chosen]

    def samples(self, start: int = 0) -> Samples:
        """All of them from ``start`` on as they are."""
        return ArraySamples([self._images[start:]], self._labels[start:], wanted_inputs(read(MODEL)), "CIFAR-10")


def _augmented(images: NDArray[np.float32], padding: int) -> NDArray[np.float32]:
    """Each of [N, 3, 32, 32] moved by up to ``padding`` pixels both ways and mirrored or not."""
    size, edge = images.shape[-1], ((0, 0), (0, 0), (padding, padding), (padding, padding))
    padded = np.pad(images, edge)
    offsets = torch.randint(0, 2 * padding + 1, (len(images), 2)).tolist()
    mirrored = torch.rand(len(images)).tolist()
    crops = [picture[:, y : y + size, x : x + size] for picture, (y, x) in zip(padded, offsets, strict=True)]
    return np.stack([crop[:, :, ::-1] if chance < 0.5 else crop for crop, chance in zip(crops, mirrored, strict=True)])


def splits(setup: Setup) -> dict[str, Any]:
    """A tenth of the training pictures is for validation, without augmentation."""
    train = Pictures("train", setup.pictures, augment=True, padding=setup.padding)
    plain = Pictures("train", setup.pictures, augment=False)
    order = np.random.default_rng(setup.seed).permutation(len(train))
    cut = len(train) // 10
    return {"train": _Some(train, order[cut:]), "validation": _Some(plain, order[:cut])}


class _Some:
    def __init__(self, pictures: Pictures, chosen: Indices) -> None:
        self._pictures, self._chosen = pictures, [int(index) for index in chosen]

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> tuple[NDArray[np.float32], int]:
        return self._pictures[self._chosen[index]]

    def __getitems__(self, indices: list[int]) -> list[tuple[NDArray[np.float32], int]]:
        return self._pictures.__getitems__([self._chosen[index] for index in indices])


def carry_out(setup: Setup, output: Path, checkpoints: Path | None) -> dict[str, Any]:
    """Prune, fine-tune, write; what the pipeline says."""
    trainer = Trainer(
        epochs=setup.epochs, batch_size=setup.batch_size, learning_rate=setup.learning_rate,
        mixture=Mixture(distill=setup.distill),
    )  # fmt: skip
    wish = Finetuning(trainer, data=splits(setup), device="cpu", checkpoints=checkpoints)
    return compress(MODEL, output, finetune=wish, **_cut(setup)).to_json()


def _cut(setup: Setup) -> dict[str, Any]:
    """What goes, chosen and made up for by looking at some training pictures where the setup asks for that."""
    looks = setup.recover or bool(CRITERIA.get(setup.criterion).needs)
    data = Pictures("train", setup.pictures, augment=False).arrays(setup.seed) if looks else None
    return {
        "macs": setup.keep_macs, "criterion": setup.criterion, "options": Options(scope=setup.scope),
        "data": data, "recover": setup.recover, "seed": setup.seed,
    }  # fmt: skip


def measure(console: Console, setup: Setup, folder: Path) -> dict[str, Any]:
    """Accuracy of the original, the pruned and the fine-tuned model, in both runtimes."""
    test = Pictures("test", setup.test, augment=False).samples()
    pruned, tuned = folder / "pruned.onnx", folder / "tuned.onnx"
    compress(MODEL, pruned, **_cut(setup))
    start = time.perf_counter()
    result = carry_out(setup, tuned, None)
    seconds = time.perf_counter() - start
    pictures = "all" if setup.pictures is None else f"{setup.pictures:,}"
    table = new_table(
        f"ResNet-20 at {setup.keep_macs:g} of its MACs ({_how(setup)}), {setup.epochs} epochs on {pictures} pictures: "
        f"{result['seconds']['fine-tune']:.0f} s fine-tuning, {seconds:.0f} s in all; {len(test)} test pictures",
        "model", "ONNX Runtime", "PyTorch", "loss", "loss in PyTorch", "MACs", "params",
    )  # fmt: skip
    rows, before, after = [], result["before"], result["after"]
    for name, path, counts in (("original", MODEL, before), ("pruned", pruned, after), ("fine-tuned", tuned, after)):
        there, here = evaluate_file(path, test), evaluate_module(from_onnx(path), test)
        table.add_row(
            name, f"{there.accuracy:.2%}", f"{here.accuracy:.2%}", f"{there.loss:.5f}", f"{here.loss:.5f}",
            f"{counts['macs']:,}", f"{counts['params']:,}",
        )  # fmt: skip
        rows.append(
            {"model": name, "onnxruntime": there.to_json(), "torch": here.to_json(), "equal": agree(there, here)}
        )
    show(console, table)
    return {"setup": vars(setup), "rows": rows, "seconds": seconds, "training": result["training"]}


def _how(setup: Setup) -> str:
    return f"{setup.criterion}, {setup.scope}{', recovered' if setup.recover else ''}"


def agree(left: Evaluation, right: Evaluation) -> bool:
    """Equal to four digits."""
    if left.accuracy is None or right.accuracy is None:
        return False
    return abs(left.accuracy - right.accuracy) < 5e-5 and abs(left.loss - right.loss) < 5e-5 * max(1.0, left.loss)


def kill_and_resume(console: Console, setup: Setup, folder: Path) -> dict[str, Any]:
    """A run killed after its first epoch and resumed, against one that nothing happened to: equal bytes?"""
    checkpoints, files = folder / "checkpoints", {name: folder / f"{name}.onnx" for name in ("killed", "whole")}
    for path in (*checkpoints.glob("*"), *(path for path in files.values() if path.exists())):
        path.unlink()
    child = subprocess.Popen(_child(setup, files["killed"], checkpoints))
    file = checkpoints / "step-01.pt"
    seen: set[int] = set()
    since = time.monotonic()
    while len(seen) < 2 and child.poll() is None:  # written before the first epoch and after it
        if file.exists():
            seen.add(file.stat().st_mtime_ns)
        time.sleep(0.05)
    time.sleep((time.monotonic() - since) / 4)  # into the second epoch
    child.send_signal(signal.SIGKILL)
    killed = child.wait() == -signal.SIGKILL and not files["killed"].exists()
    subprocess.run(_child(setup, files["killed"], checkpoints), check=True)
    subprocess.run(_child(setup, files["whole"], None), check=True)
    equal = files["killed"].read_bytes() == files["whole"].read_bytes()
    console.print(f"killed in the middle: {killed}; resumed and uninterrupted files equal to the byte: {equal}")
    return {"setup": vars(setup), "killed_in_the_middle": killed, "equal_bytes": equal}


def _child(setup: Setup, output: Path, checkpoints: Path | None) -> list[str]:
    job = {
        "setup": vars(setup),
        "output": str(output),
        "checkpoints": None if checkpoints is None else str(checkpoints),
    }
    return [sys.executable, "-m", "tests.benchmarks.finetune_resnet20", "--child", json.dumps(job)]


def run(console: Console, setup: Setup | None = None, kill: bool = False) -> dict[str, Any] | None:
    """The table, or with ``kill`` the comparison."""
    missing = [str(path) for path in (MODEL, DATA) if not path.is_file()]
    if missing:
        console.print(f"{NAME}: skipped: {', '.join(missing)} is absent.")
        return None
    folder = FOLDER / NAME
    folder.mkdir(parents=True, exist_ok=True)
    setup = setup or Setup()
    if setup.threads is not None:
        torch.set_num_threads(setup.threads)
    return kill_and_resume(console, setup, folder) if kill else measure(console, setup, folder)


def main() -> int:
    """The command with its options."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.benchmarks.{NAME}", description=__doc__)
    kinds = {
        "keep-macs": float, "epochs": int, "pictures": int, "test": int, "batch-size": int, "learning-rate": float,
        "distill": float, "criterion": str, "scope": str, "padding": int, "seed": int, "threads": int,
    }  # fmt: skip
    for name, kind in kinds.items():
        parser.add_argument(f"--{name}", type=kind, default=getattr(Setup, name.replace("-", "_")))
    parser.add_argument("--recover", action="store_true", help="make up for what goes before training")
    parser.add_argument("--kill", action="store_true", help="kill the process in the middle, resume, compare")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = vars(parser.parse_args())
    kill, child = given.pop("kill"), given.pop("child")
    if child is not None:
        job = json.loads(child)
        setup, folder = Setup(**job["setup"]), job["checkpoints"]
        if setup.threads is not None:
            torch.set_num_threads(setup.threads)
        carry_out(setup, Path(job["output"]), None if folder is None else Path(folder))
        return 0
    console, before = Console(highlight=False, width=None if sys.stdout.isatty() else 150), load_average()
    results = run(console, Setup(**given), kill)
    if results is not None:
        console.print(f"saved {save(f'{NAME}-kill' if kill else NAME, results, before)}", style="dim")
    return 0


if __name__ == "__main__":
    sys.exit(main())
