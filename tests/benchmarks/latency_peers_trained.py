"""ResNet-20 cut by latency and trained for three epochs, beside Torch-Pruning's cuts with widths rounded to 16.

Ours is one command: a latency ratio, optimal brain surgeon's scores, recovery, then training with the outputs
and inner tensors of the original. Torch-Pruning's file gets the same trainer, data, seed and outputs: what is
left of the inner tensors only a plan of ours says. All files are timed in one run, in turns.
Rows and checkpoints are kept: delete build/benchmarks/latency_peers_trained to start anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from compressor.benchmark import bench
from compressor.finetuning import Finetuning, finetune_file
from compressor.latency.goal import LatencyGoal
from compressor.passes.selection import Options
from compressor.pipeline import compress
from compressor.training.evaluate import evaluate_file
from tests.benchmarks.finetune_peers import FEATURES, PADDING, TRAINER
from tests.benchmarks.finetune_resnet20 import DATA, MODEL, Pictures, Setup, splits
from tests.benchmarks.kept_rows import KeptRows
from tests.benchmarks.report import FOLDER, new_table, show
from tests.benchmarks.resnet20_peer import PeerWay, peer_cut

NAME = "latency_peers_trained"
RATIOS = (0.65, 0.55)
KEEPS = (0.7, 0.5)
ROUND_TO, SEED = 16, 0
OURS, PEER = "ours by latency", f"torch-pruning, round_to {ROUND_TO}"


def run(console: Console) -> dict[str, Any] | None:
    """The table."""
    missing = [str(path) for path in (MODEL, DATA) if not path.is_file()]
    if missing:
        console.print(f"{NAME}: skipped: {', '.join(missing)} is absent.")
        return None
    torch.set_num_threads(1)
    kept = KeptRows(FOLDER / NAME / "rows.json", ("method", "asked"))
    test = Pictures("test", None, augment=False)
    for method, asked in _trials():
        if kept.has(method, asked):
            continue
        path = _ours(asked) if method == OURS else _theirs(asked)
        if path is None:
            console.print(f"{method}: skipped: the peer's environment cannot be made.")
            continue
        found = evaluate_file(path, test.samples()).accuracy
        kept.add({"method": method, "asked": asked, "file": str(path), "accuracy": found})
        console.print(f"{method}, {asked:g}: {found:.2%}", style="dim")
    timed = bench([MODEL, *(row["file"] for row in kept.rows)], threads=1, min_time_s=1.0, max_time_s=240.0)
    table = new_table(
        f"ResNet-20, {TRAINER.epochs} epochs; ONNX Runtime, 1 thread, batch 1, noise {timed.noise_floor:.1%}",
        "method", "asked", "accuracy", "latency ratio",
    )  # fmt: skip
    rows = []
    for row, label in zip(kept.rows, list(timed.timings)[1:], strict=True):
        ratio = timed.ratios[label].ratio
        rows.append({**row, "ratio": ratio})
        table.add_row(row["method"], f"{row['asked']:g}", f"{row['accuracy']:.2%}", f"{ratio:.3f}")
    show(console, table)
    return {"rows": rows, "trainer": TRAINER.to_json(), "warnings": timed.warnings}


def _trials() -> Iterator[tuple[str, float]]:
    for ratio, keep in zip(RATIOS, KEEPS, strict=True):
        yield OURS, ratio
        yield PEER, keep


def _wish(folder: Path, features: float) -> Finetuning:
    trainer = replace(TRAINER, mixture=replace(TRAINER.mixture, features=features))
    return Finetuning(trainer, data=splits(Setup(seed=SEED, padding=PADDING)), device="cpu", checkpoints=folder)


def _ours(ratio: float) -> Path:
    path = FOLDER / NAME / f"ours-{ratio:g}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    compress(
        MODEL, path, latency=LatencyGoal(ratio), criterion="obs", options=Options(drop_branches=True), seed=SEED,
        recover=True, data=Pictures("train", None, augment=False).arrays(SEED),
        finetune=_wish(path.with_suffix(""), FEATURES),
    )  # fmt: skip
    return path


def _theirs(keep: float) -> Path | None:
    way = PeerWay("local", "all", keep, ROUND_TO)
    if peer_cut(way) is None:
        return None
    path = FOLDER / NAME / f"torch-pruning-{keep:g}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    finetune_file(way.path, path, _wish(path.with_suffix(""), 0.0), teacher=MODEL, seed=SEED)
    return path
