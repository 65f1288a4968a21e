"""ResNet-20 without training: accuracy against measured latency, ours by latency beside what chooses by counting.

Ours takes latency ratios, optimal brain surgeon's scores and recovery. Beside it, with recovery too: the same share of
every space, and L1 ranked over all spaces, both by MACs. And Torch-Pruning with widths rounded to 16, which recovers
nothing. All files are timed in one run, in turns. Of each method the fastest point of at least some accuracy counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from compressor.benchmark import bench
from compressor.passes.selection import Options
from compressor.pipeline import compress
from tests.benchmarks.report import FOLDER, new_table, show
from tests.benchmarks.resnet20 import DATA, MODEL, accuracy
from tests.benchmarks.resnet20_peer import PeerWay, peer_cut
from tests.zoo.source import import_file

RATIOS = (0.9, 0.8, 0.7, 0.6)
KEEPS = (0.85, 0.7, 0.5, 0.35)
PICTURES = 1024  # for scores and recovery
ROUND_TO = 16
LEVELS = (0.85, 0.8, 0.75, 0.7)


def run(console: Console) -> dict[str, Any] | None:
    """Both tables."""
    missing = [str(path) for path in (MODEL, DATA) if not path.is_file()]
    if missing:
        console.print(f"latency_peers: skipped: {', '.join(missing)} is absent.")
        return None
    folder = FOLDER / "latency_peers"
    folder.mkdir(parents=True, exist_ok=True)
    cifar = import_file(DATA)
    images, labels = cifar.load("test")
    images, (pool, _) = cifar.normalize(images), cifar.load("train")
    seen = cifar.normalize(pool[np.random.default_rng(0).choice(len(pool), PICTURES, replace=False)])
    files = dict(_files(console, folder, seen))
    result = bench([MODEL, *files.values()], threads=1, min_time_s=1.0, max_time_s=240.0)
    ratios = dict(zip(files, (result.ratios[label].ratio for label in list(result.timings)[1:]), strict=True))
    table = new_table(
        f"ResNet-20, {len(labels)} test pictures, no training; ONNX Runtime, 1 thread, batch 1, noise"
        f" {result.noise_floor:.1%}", "method", "asked", "accuracy", "latency ratio",
    )  # fmt: skip
    rows = [{"method": "original", "asked": 1.0, "accuracy": accuracy(MODEL, images, labels), "ratio": 1.0}]
    for (method, asked), path in files.items():
        found = accuracy(path, images, labels)
        rows.append({"method": method, "asked": asked, "accuracy": found, "ratio": ratios[method, asked]})
        table.add_row(method, f"{asked:g}", f"{found:.2%}", f"{ratios[method, asked]:.3f}")
    show(console, table)
    return {"rows": rows, "at_equal_accuracy": _compared(console, rows), "warnings": result.warnings}


def _files(console: Console, folder: Path, seen: Any) -> Iterator[tuple[tuple[str, float], Path]]:
    for ratio in RATIOS:
        path = folder / f"ours-{ratio:g}.onnx"
        compress(MODEL, path, latency=ratio, criterion="obs", data=seen, recover=True)
        yield ("ours by latency", ratio), path
    for method, options in (("uniform by MACs", Options()), ("global L1 by MACs", Options(scope="global"))):
        for keep in KEEPS:
            path = folder / f"{options.scope}-{keep:g}.onnx"
            compress(MODEL, path, macs=keep, options=options, data=seen, recover=True)
            yield (method, keep), path
    for keep in KEEPS:
        way = PeerWay("local", "all", keep, ROUND_TO)
        if peer_cut(way) is None:
            console.print("Torch-Pruning is not measured: its environment cannot be made.")
            return
        yield (f"torch-pruning, round_to {ROUND_TO}", keep), way.path


def _compared(console: Console, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each level of accuracy, the least latency of each method that keeps it."""
    methods = [method for method in dict.fromkeys(row["method"] for row in rows) if method != "original"]
    table = new_table("The least latency ratio measured that keeps an accuracy", "accuracy", *methods)
    found = []
    for level in LEVELS:
        least = {
            method: min(
                row["ratio"] for row in rows if row["method"] in (method, "original") and row["accuracy"] >= level
            )
            for method in methods
        }
        table.add_row(f"{level:.0%}", *(f"{ratio:.3f}" for ratio in least.values()))
        found.append({"accuracy": level, **least})
    show(console, table)
    return found
