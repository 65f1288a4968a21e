"""A trained ResNet-20 cut to half its MACs: accuracy on all CIFAR-10 test pictures, size, and measured latency.

No fine-tuning and no recovery: this is the floor that those have to lift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from compressor.backends.base import open_model
from compressor.benchmark import bench
from compressor.inspection import inspect_model
from compressor.passes.selection import Options, Scope
from compressor.pipeline import compress
from tests.benchmarks.report import FOLDER, new_table, show
from tests.zoo.source import SHARED, import_file

MODEL = SHARED / "models" / "resnet20_cifar10.onnx"
DATA = SHARED / "data" / "cifar10.py"
KEEP_MACS = 0.5
BATCH = 500  # pictures at a time for accuracy


@dataclass(frozen=True)
class Variant:
    """One way of choosing."""

    criterion: str
    scope: Scope
    seed: int = 0
    round_to: int = 1

    @property
    def label(self) -> str:
        """For tables and file names."""
        seed = f"-seed{self.seed}" if self.criterion == "random" else ""
        return f"{self.criterion}-{self.scope}{seed}" + (f"-round{self.round_to}" if self.round_to > 1 else "")


VARIANTS = (
    Variant("l1", "per-space"),
    Variant("l1", "global"),
    Variant("l1", "per-space", round_to=8),
    Variant("l2", "per-space"),
    Variant("l2", "global"),
    *(Variant("random", "per-space", seed) for seed in range(3)),
)
# Unrounded widths fall off the steps of the runtime; multiples of 16 cannot reach half of the MACs here.
TIMED = ("l1-per-space", "l1-per-space-round8", "l1-global")


def run(console: Console) -> dict[str, Any] | None:
    """Both tables."""
    missing = [str(path) for path in (MODEL, DATA) if not path.is_file()]
    if missing:
        console.print(f"resnet20: skipped: {', '.join(missing)} is absent.")
        return None
    folder = FOLDER / "resnet20"
    folder.mkdir(parents=True, exist_ok=True)
    return {"accuracy": accuracies(console, folder), "latency": latencies(console, folder)}


def accuracies(console: Console, folder: Path) -> list[dict[str, Any]]:
    """Compress in every way, count right answers."""
    cifar = import_file(DATA)
    images, labels = cifar.load("test")
    images = cifar.normalize(images)
    table = new_table(
        f"ResNet-20, --macs {KEEP_MACS:g}, no fine-tuning, {len(labels)} test pictures",
        "variant", "accuracy", "params", "kept", "MACs", "kept", "max error", "compress s",
    )  # fmt: skip
    before, original = inspect_model(MODEL), accuracy(MODEL, images, labels)
    table.add_row("original", f"{original:.2%}", f"{before.params:,}", "1", f"{before.macs:,}", "1", "-", "-")
    found: list[dict[str, Any]] = [
        {"variant": "original", "accuracy": original, "params": before.params, "macs": before.macs}
    ]
    for variant in VARIANTS:
        output = folder / f"{variant.label}.onnx"
        result = compress(
            MODEL, output, macs=KEEP_MACS, criterion=variant.criterion, seed=variant.seed,
            options=Options(scope=variant.scope, round_to=variant.round_to),
        )  # fmt: skip
        right, after = accuracy(output, images, labels), result.after
        error = (result.verification or {})["max_error"]
        table.add_row(
            variant.label, f"{right:.2%}", f"{after.params:,}", f"{after.params / before.params:.4f}",
            f"{after.macs:,}", f"{after.macs / before.macs:.4f}", f"{error:.1e}", f"{sum(result.seconds.values()):.2f}",
        )  # fmt: skip
        found.append(
            {"variant": variant.label, "accuracy": right, "params": after.params, "macs": after.macs,
             "max_error": error, "seconds": result.seconds}
        )  # fmt: skip
    show(console, table)
    return found


def accuracy(path: Path, images: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """Share of pictures whose largest logit is at their label."""
    right = 0
    with open_model(path) as session:
        name = session.inputs[0].name
        for start in range(0, len(images), BATCH):
            logits = session.run({name: images[start : start + BATCH]})[session.output_names[0]]
            right += int((logits.argmax(1) == labels[start : start + BATCH]).sum())
    return right / len(labels)


def latencies(console: Console, folder: Path, batches: Sequence[int] = (1, 32)) -> list[dict[str, Any]]:
    """Time some of the results against the original; needs ``accuracies`` to have written them."""
    table = new_table(
        "Latency, ONNX Runtime CPU, 1 thread (ratio: pruned / original, 95 % interval)",
        "batch, model", "median ms", "ratio", "low", "high", "verdict",
    )  # fmt: skip
    paths = [MODEL, *(folder / f"{label}.onnx" for label in TIMED)]
    found = []
    for batch in batches:
        result = bench(paths, threads=1, batch=batch, processes=5, min_time_s=2.0, max_time_s=30.0)
        for label, timing in result.timings.items():
            ratio = result.ratios.get(label)
            numbers = ["", "", ""] if ratio is None else [f"{v:.3f}" for v in (ratio.ratio, ratio.low, ratio.high)]
            verdict = result.verdicts.get(label, f"noise floor {result.noise_floor:.1%}")
            table.add_row(f"{batch}, {label}", f"{timing.median_ms:.3f}", *numbers, verdict)
        for warning in result.warnings:
            console.print(f"batch {batch}: {warning}", soft_wrap=True, markup=False)
        found.append({"batch": batch, **result.to_json(samples=False)})
    show(console, table)
    return found
