"""A trained ResNet-20 made sparse: accuracy on all CIFAR-10 test pictures, size of the zipped file, measured latency.

No fine-tuning. What it is there to show: on ONNX Runtime's CPU provider zeros save no time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from compressor.benchmark import bench
from compressor.model_io import read
from compressor.passes.sparsity import SparsityScope
from compressor.sparsifying import Sparsification, sparsify
from tests.benchmarks.criteria import DATA, MODEL, accuracy, calibration
from tests.benchmarks.report import FOLDER, new_table, show
from tests.zoo.source import import_file


@dataclass(frozen=True)
class Variant:
    """One way of choosing."""

    pattern: str | None = None
    share: float | None = None
    criterion: str = "magnitude"
    scope: SparsityScope = "tensor"

    @property
    def label(self) -> str:
        """For tables and file names."""
        what = self.pattern.replace(":", "of") if self.pattern else f"{self.share:g}-{self.scope}"
        return f"{what}-{self.criterion}"


_WAYS: tuple[tuple[SparsityScope, str], ...] = (
    ("tensor", "magnitude"), ("global", "magnitude"), ("global", "activation"),
)  # fmt: skip
VARIANTS = (
    Variant(pattern="2:4"),
    Variant(pattern="2:4", criterion="activation"),
    *(Variant(share=share, criterion=criterion, scope=scope) for share in (0.5, 0.8) for scope, criterion in _WAYS),
)
TIMED = ("2of4-magnitude", "0.5-global-magnitude", "0.8-global-magnitude")


def run(console: Console) -> dict[str, Any] | None:
    """Both tables."""
    missing = [str(path) for path in (MODEL, DATA) if not path.is_file()]
    if missing:
        console.print(f"sparsity: skipped: {', '.join(missing)} is absent.")
        return None
    folder = FOLDER / "sparsity"
    folder.mkdir(parents=True, exist_ok=True)
    return {"accuracy": accuracies(console, folder), "latency": latencies(console, folder)}


def accuracies(console: Console, folder: Path) -> list[dict[str, Any]]:
    """Sparsify in every way, count right answers."""
    cifar = import_file(DATA)
    images, labels = cifar.load("test")
    images = cifar.normalize(images)
    data = calibration(cifar)
    table = new_table(
        f"ResNet-20 made sparse, no fine-tuning, {len(labels)} test pictures",
        "variant", "zeros", "accuracy", "file bytes", "zipped bytes", "ratio",
    )  # fmt: skip
    original = accuracy(read(MODEL), images, labels)
    table.add_row("original", "0", f"{original:.2%}", *([""] * 3))
    found: list[dict[str, Any]] = [{"variant": "original", "accuracy": original}]
    for variant in VARIANTS:
        result = _sparsified(variant, folder, data)
        right = accuracy(read(result.output), images, labels)
        before, after = result.before["zipped_bytes"], result.after["zipped_bytes"]
        table.add_row(
            variant.label, f"{result.zeros / result.weights:.1%}", f"{right:.2%}", f"{result.after['size_bytes']:,}",
            f"{after:,}", f"{after / before:.3f}",
        )  # fmt: skip
        found.append({"variant": variant.label, "accuracy": right, "before": result.before, "after": result.after})
    show(console, table)
    return found


def _sparsified(variant: Variant, folder: Path, data: tuple[Any, np.ndarray[Any, Any]]) -> Sparsification:
    return sparsify(
        MODEL, folder / f"{variant.label}.onnx", pattern=variant.pattern, sparsity=variant.share,
        criterion=variant.criterion, scope=variant.scope, data=data,
    )  # fmt: skip


def latencies(console: Console, folder: Path) -> dict[str, Any]:
    """Time some of the results against the original; needs ``accuracies`` to have written them."""
    table = new_table(
        "Latency, ONNX Runtime CPU, 1 thread, batch 1 (ratio: sparse / original, 95 % interval)",
        "model", "median ms", "ratio", "low", "high", "verdict",
    )  # fmt: skip
    paths = [MODEL, *(folder / f"{label}.onnx" for label in TIMED)]
    result = bench(paths, threads=1, processes=5, min_time_s=2.0, max_time_s=30.0)
    for label, timing in result.timings.items():
        ratio = result.ratios.get(label)
        numbers = ["", "", ""] if ratio is None else [f"{v:.3f}" for v in (ratio.ratio, ratio.low, ratio.high)]
        verdict = result.verdicts.get(label, f"noise floor {result.noise_floor:.1%}")
        table.add_row(label, f"{timing.median_ms:.3f}", *numbers, verdict)
    for warning in result.warnings:
        console.print(warning, soft_wrap=True, markup=False)
    show(console, table)
    return result.to_json(samples=False)
