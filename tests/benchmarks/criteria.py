"""Every criterion on a trained ResNet-20: accuracy on all CIFAR-10 test pictures, before and after recovery.

1,024 training pictures serve both the criteria and the recovery, which does not look at their labels. No fine-tuning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray
from rich.console import Console

from compressor.backends.base import open_model
from compressor.data_statistics import DataStatistics
from compressor.loaded import Loaded, load_model
from compressor.model_io import to_proto
from compressor.passes.recovery.recover import recover
from compressor.passes.rewrite import removal_of, remove_atoms
from compressor.passes.scores import CRITERIA, ScoreContext
from compressor.passes.selection import Options, Scope, Target, select
from compressor.passes.slices import Combine, Scores
from compressor.verification import opened
from tests.benchmarks.report import new_table, show
from tests.zoo.source import SHARED, import_file

MODEL = SHARED / "models" / "resnet20_cifar10.onnx"
MODEL_BN = SHARED / "models" / "resnet20_cifar10_bn.onnx"
DATA = SHARED / "data" / "cifar10.py"
CALIBRATION = 1024
BATCH = 500
KEEPS = (0.75, 0.5)
SEEDS = 3  # of random scores

Images = NDArray[np.float32]


@dataclass(frozen=True)
class Way:
    """One way of choosing; ``normalise`` None is what the criterion asks for."""

    criterion: str
    scope: Scope
    normalise: bool | None = None
    combine: Combine = "sum"
    seed: int = 0

    @property
    def label(self) -> str:
        """For the table."""
        extra = {None: "", True: ", normalised", False: ", as they are"}[self.normalise]
        combined = "" if self.combine == "sum" else f", {self.combine}"
        return f"{self.criterion}, {self.scope}{extra}{combined}" + (f", seed {self.seed}" if self.seed else "")


def ways() -> Iterator[Way]:
    """Every criterion in both scopes, and variations of what matters."""
    for name in CRITERIA.names():
        for scope in ("per-space", "global"):
            for seed in range(SEEDS if name == "random" else 1):
                yield Way(name, scope, seed=seed)
    for name in ("obs", "taylor", "l2"):
        yield Way(name, "global", normalise=name == "obs")
    for name in ("obs", "activation"):
        for combine in ("mean", "max"):
            yield Way(name, "global", combine=combine)


def run(console: Console) -> dict[str, Any] | None:
    """The table."""
    missing = [str(path) for path in (MODEL, MODEL_BN, DATA) if not path.is_file()]
    if missing:
        console.print(f"criteria: skipped: {', '.join(missing)} is absent.")
        return None
    cifar = import_file(DATA)
    images, labels = cifar.load("test")
    bench = Bench(cifar.normalize(images), labels, calibration(cifar))
    table = new_table(
        f"ResNet-20, {len(labels)} test pictures, {CALIBRATION} for calibration, no fine-tuning",
        "criterion, scope", "MACs kept", "accuracy", "recovered", "widths",
    )  # fmt: skip
    found: list[dict[str, Any]] = []
    original = accuracy(load_model(MODEL).original, bench.images, bench.labels)
    table.add_row("original", "1", f"{original:.2%}", "-", "-")
    for way in ways():
        for row in bench.rows(way):
            found.append(row)
            table.add_row(
                way.label, f"{row['macs_kept']:.3f}", f"{row['accuracy']:.2%}", f"{row['recovered']:.2%}",
                " ".join(map(str, row["widths"])),
            )  # fmt: skip
            console.print(f"{way.label} {row['keep']}: {row['accuracy']:.4f} {row['recovered']:.4f}", style="dim")
    show(console, table)
    return {"original": original, "rows": found}


def calibration(cifar: Any) -> tuple[Images, NDArray[np.int64]]:
    """Training pictures with their labels."""
    images, labels = cifar.load("train")
    chosen = np.random.default_rng(0).choice(len(images), CALIBRATION, replace=False)
    return cifar.normalize(images[chosen]), labels[chosen].astype(np.int64)


@dataclass
class Bench:
    """Test pictures, their labels, calibration data; and which file, where the criterion does not need batch norms."""

    images: Images
    labels: NDArray[np.uint8]
    data: tuple[Images, NDArray[np.int64]]
    model: Path = MODEL

    def rows(self, way: Way) -> Iterator[dict[str, Any]]:
        """One for each target."""
        loaded = load_model(MODEL_BN if way.criterion == "bn-scale" else self.model)
        criterion = CRITERIA.get(way.criterion)
        context = ScoreContext(loaded.analysis, way.seed, DataStatistics(self.data), way.combine)
        scores = criterion(context)
        normalise = not criterion.comparable if way.normalise is None else way.normalise
        for keep in KEEPS:
            options = Options(scope=way.scope, normalise=normalise, combine=way.combine)
            yield {"criterion": way.label, "keep": keep, **self._row(loaded, scores, keep, options)}

    def _row(self, loaded: Loaded, scores: Scores, keep: float, options: Options) -> dict[str, Any]:
        analysis = loaded.analysis
        selection = select(analysis, loaded.cost, scores, Target("macs", keep), options)
        pruned = remove_atoms(analysis, selection.atoms)
        name = analysis.graph.inputs[0].name
        chunks = [{name: self.data[0][i : i + 64]} for i in range(0, CALIBRATION, 64)]
        again = recover(pruned, analysis, removal_of(analysis, selection.atoms), chunks, opened)
        return {
            "macs_kept": selection.after.macs / selection.before.macs,
            "accuracy": accuracy(pruned, self.images, self.labels),
            "recovered": accuracy(again.graph, self.images, self.labels),
            "widths": [space.size - int(np.isin(space.atoms, selection.atoms).sum()) for space in analysis.spaces],
        }


def accuracy(graph: gs.Graph, images: Images, labels: NDArray[np.uint8]) -> float:
    """Share of pictures whose largest logit is at their label."""
    right = 0
    with open_model(to_proto(graph), threads=1) as session:
        name = session.inputs[0].name
        for start in range(0, len(images), BATCH):
            logits = session.run({name: images[start : start + BATCH]})[session.output_names[0]]
            right += int((logits.argmax(1) == labels[start : start + BATCH]).sum())
    return right / len(labels)
