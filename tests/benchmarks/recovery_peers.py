"""ResNet-20 cut without training: every criterion with and without recovery beside Torch-Pruning, at equal MACs.

Accuracy on all CIFAR-10 test pictures. 1,024 training pictures serve the criteria that look at data and the recovery,
which sees no labels. Torch-Pruning has no recovery; what its users can do with those pictures is to re-estimate batch
norms, which stands in its place. Rows that are there are not made again; delete build/benchmarks/recovery_peers
to start anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from rich.console import Console

from compressor.bridge import from_onnx, to_onnx
from compressor.loaded import load_model
from compressor.model_io import read
from compressor.passes.scores import CRITERIA
from compressor.training.batch_norm import reestimate_batch_norms
from compressor.training.data import ArraySamples
from compressor.training.wanted import wanted_inputs
from tests.benchmarks.criteria import DATA, KEEPS, MODEL_BN, SEEDS, Bench, Way, accuracy, calibration
from tests.benchmarks.kept_rows import KeptRows, Row
from tests.benchmarks.report import FOLDER, new_table, show
from tests.benchmarks.resnet20_peer import PeerWay, peer_cut, peer_ways
from tests.zoo.source import import_file

NAME = "recovery_peers"
TOLERANCE = 0.005  # of the MACs, between what is compared
RE_ESTIMATION_BATCH = 128
RUNTIMES_AGREE = 0.0005  # of the accuracy, between PyTorch and ONNX Runtime


def ways() -> Iterator[Way]:
    """What is compared: every criterion over all layers together, and the plainest layer by layer."""
    yield Way("l1", "per-space")
    for name in CRITERIA.names():
        for seed in range(SEEDS if name == "random" else 1):
            yield Way(name, "global", seed=seed)


def run(console: Console) -> dict[str, Any] | None:
    """The table."""
    missing = [str(path) for path in (MODEL_BN, DATA) if not path.is_file()]
    if missing:
        console.print(f"{NAME}: skipped: {', '.join(missing)} is absent.")
        return None
    cifar = import_file(DATA)
    images, labels = cifar.load("test")
    bench = Bench(cifar.normalize(images), labels, calibration(cifar), MODEL_BN)
    original = accuracy(load_model(MODEL_BN).original, bench.images, bench.labels)
    kept = KeptRows(FOLDER / NAME / "rows.json", ("way", "keep"))
    for keep in KEEPS:
        for peer_way in peer_ways(keep):
            label = f"torch-pruning, {peer_way.label}"
            if not kept.has(label, keep):
                _add(console, kept, label, _peer_row(bench, peer_way))
    for way in ways():
        if not all(kept.has(way.label, keep) for keep in KEEPS):
            for row in bench.rows(way):
                _add(console, kept, way.label, row)
    _show(console, kept, original)
    return {"original": original, "rows": kept.rows}


def _peer_row(bench: Bench, way: PeerWay) -> Row | None:
    answer = peer_cut(way)
    if answer is None:
        return None
    here = accuracy(load_model(way.path).original, bench.images, bench.labels)
    if abs(here - answer["accuracy"]) > RUNTIMES_AGREE:
        raise ValueError(f"{way.path.name}: {here} in ONNX Runtime, {answer['accuracy']} in PyTorch")
    widths = list(answer["widths"].values())
    return {**answer, "keep": way.keep, "widths": widths, "accuracy": here, "recovered": _reestimated(bench, way)}


def _reestimated(bench: Bench, way: PeerWay) -> float:
    """Accuracy after new running statistics from the calibration pictures."""
    graph = read(way.path)
    module, wanted = from_onnx(graph), wanted_inputs(graph)
    samples = ArraySamples([bench.data[0]], bench.data[1], wanted, "calibration")
    reestimate_batch_norms(module, samples, RE_ESTIMATION_BATCH, torch.device("cpu"))
    return accuracy(to_onnx(module.eval(), graph), bench.images, bench.labels)


def _add(console: Console, kept: KeptRows, label: str, row: Row | None) -> None:
    """Keep a row and say so."""
    if row is None:
        console.print(f"{label}: skipped: the peer's environment cannot be made.")
    elif kept.add({**row, "way": label}):
        cut = f"{row['keep']:g}: {row['macs_kept']:.4f} of the MACs kept, {row['accuracy']:.2%}"
        console.print(f"{label}, {cut}, recovered {row['recovered']:.2%}", style="dim")


def _show(console: Console, kept: KeptRows, original: float) -> None:
    heads = [f"{keep:g}: {what}" for keep in KEEPS for what in ("MACs kept", "only cut", "recovered")]
    table = new_table(f"ResNet-20 ({original:.2%}) on all test pictures, nothing trained", "way", *heads)
    for label in dict.fromkeys(row["way"] for row in kept.rows):
        cells: list[str] = []
        for keep in KEEPS:
            row = kept.find(label, keep)
            cells += ["", "", ""] if row is None else _cells(row, keep)
        table.add_row(label, *cells)
    show(console, table)


def _cells(row: Row, keep: float) -> list[str]:
    off = "" if abs(row["macs_kept"] - keep) <= TOLERANCE else " !"
    return [f"{row['macs_kept']:.4f}{off}", f"{row['accuracy']:.2%}", f"{row['recovered']:.2%}"]
