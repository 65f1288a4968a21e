"""ResNet-20 at half its MACs, three epochs of training: our cut and recovery beside Torch-Pruning's cut, three seeds.

Both get the same trainer, data, augmentation, learning rates, distillation from outputs and seeds; theirs is trained
from its ONNX file. Ours also with the original's inner tensors: only a plan of ours says which of those channels are
left. Seeds decide the split for validation, what our cut looks at, the order of pictures and their augmentation.
Accuracy on all CIFAR-10 test pictures, and on those from EXPLORED on, by which no setting was chosen; looked at last.
Rows and checkpoints are kept: delete build/benchmarks/finetune_peers to start anew.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from compressor.finetuning import Finetuning, finetune_file
from compressor.inspection import inspect_model
from compressor.passes.selection import Options
from compressor.pipeline import compress, replay
from compressor.training.evaluate import evaluate_file
from compressor.training.objective import Mixture
from compressor.training.trainer import Trainer
from tests.benchmarks.finetune_resnet20 import DATA, MODEL, Pictures, Setup, splits
from tests.benchmarks.kept_rows import KeptRows, Row
from tests.benchmarks.report import FOLDER, new_table, show
from tests.benchmarks.resnet20_peer import PeerWay, peer_cut

NAME = "finetune_peers"
KEEP_MACS = 0.5
SEEDS = (0, 1, 2)
TRAINER = Trainer(epochs=3, batch_size=128, learning_rate=0.05, mixture=Mixture(distill=0.5), precision="bfloat16")
FEATURES = 1.0  # weight of the original's inner tensors; only a cut of ours says which of their channels are left
PADDING = 0  # mirror images only: three epochs are too few to learn from crops as well
COMPARED, FURTHER = ("ours", "torch-pruning"), ("ours, outputs only",)
PEER = PeerWay("local", "all", KEEP_MACS)  # its default, and the best of its four ways before training
STREAMS = ("layer2.0.conv2.weight[0]", "layer3.0.conv2.weight[0]")
"""What the shortcuts pad: left whole, which after training was 0.1 better than cut (one seed)."""
EXPLORED = 3000  # test pictures, the first: settings were compared on them


def run(console: Console) -> dict[str, Any] | None:
    """The table."""
    missing = [str(path) for path in (MODEL, DATA) if not path.is_file()]
    if missing:
        console.print(f"{NAME}: skipped: {', '.join(missing)} is absent.")
        return None
    torch.set_num_threads(1)
    kept = KeptRows(FOLDER / NAME / "rows.json", ("way", "seed"))
    test = Pictures("test", None, augment=False)
    original = _accuracies(MODEL, test)
    for way, seed in _trials():
        row = None if kept.has(way, seed) else _row(way, seed, test)
        if row is not None:
            kept.add({"way": way, "seed": seed, **row})
            console.print(f"{way}, seed {seed}: {row['before'][0]:.2%}, {row['after'][0]:.2%}", style="dim")
        elif not kept.has(way, seed):
            console.print(f"{way}: skipped: the peer's environment cannot be made.")
    _show(console, kept.rows, original)
    return {"original": original, "trainer": TRAINER.to_json(), "rows": kept.rows}


def _trials() -> Iterator[tuple[str, int]]:
    """(way, seed): what the comparison is about comes first."""
    for ways in (COMPARED, FURTHER):
        yield from ((way, seed) for seed in SEEDS for way in ways)


def _row(way: str, seed: int, test: Pictures) -> Row | None:
    """Train one network; None where the peer's environment cannot be made."""
    peer = way == "torch-pruning"
    cut = _peer_file() if peer else FOLDER / NAME / f"cut-{seed}.onnx"
    if cut is None:
        return None
    folder = FOLDER / NAME / f"{way.replace(', ', '-').replace(' ', '-')}-{seed}"
    tuned = folder.with_suffix(".onnx")
    trainer = TRAINER if way != "ours" else replace(TRAINER, mixture=replace(TRAINER.mixture, features=FEATURES))
    wish = Finetuning(trainer, data=splits(Setup(seed=seed, padding=PADDING)), device="cpu", checkpoints=folder)
    training = _train_peer(cut, tuned, wish, seed) if peer else _train_ours(cut, tuned, wish, seed)
    counts = inspect_model(cut)
    return {
        "before": _accuracies(cut, test), "after": _accuracies(tuned, test),
        "macs": counts.macs, "params": counts.params, "training": training,
    }  # fmt: skip


def _peer_file() -> Path | None:
    return None if peer_cut(PEER) is None else PEER.path


def _train_peer(cut: Path, tuned: Path, wish: Finetuning, seed: int) -> Any:
    return finetune_file(cut, tuned, wish, teacher=MODEL, seed=seed).training


def _train_ours(cut: Path, tuned: Path, wish: Finetuning, seed: int) -> Any:
    """Cut by the plan again, so that training knows what is left of the original."""
    data, plan = Pictures("train", None, augment=False).arrays(seed), cut.with_suffix(".json")
    if not (cut.is_file() and plan.is_file()):
        cut.parent.mkdir(parents=True, exist_ok=True)
        compress(
            MODEL, cut, macs=KEEP_MACS, criterion="obs", options=Options(scope="global", exclude=STREAMS), seed=seed,
            recover=True, data=data, plan_path=plan,
        )  # fmt: skip
    return replay(MODEL, plan, tuned, seed=seed, data=data, recover=True, finetune=wish).training


def _accuracies(path: Path, test: Pictures) -> tuple[float, float]:
    """On all test pictures, and on those that no setting was chosen by."""
    found = [evaluate_file(path, test.samples(start)).accuracy for start in (0, EXPLORED)]
    return found[0] or 0.0, found[1] or 0.0


def _show(console: Console, rows: list[Row], original: tuple[float, float]) -> None:
    table = new_table(
        f"ResNet-20 ({original[0]:.2%}, {original[1]:.2%}) at {KEEP_MACS:g} of its MACs, {TRAINER.epochs} epochs",
        "way", "seeds", "MACs", "before", "after, all", "sd", f"from {EXPLORED:,} on", "sd",
    )  # fmt: skip
    for way in dict.fromkeys(row["way"] for row in rows):
        own = [row for row in rows if row["way"] == way]
        columns = list(zip(*(row["after"] for row in own), strict=True))
        before = _mean_sd([row["before"][0] for row in own])[0]
        (whole, whole_sd), (rest, rest_sd) = (_mean_sd(column) for column in columns)
        table.add_row(
            way, str(len(own)), f"{own[0]['macs']:,}", f"{before:.2%}", f"{whole:.2%}", f"{whole_sd:.2%}",
            f"{rest:.2%}", f"{rest_sd:.2%}",
        )  # fmt: skip
    show(console, table)


def _mean_sd(values: Any) -> tuple[float, float]:
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0
