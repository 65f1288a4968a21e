"""Recovery without training on a trained ResNet-20: what it needs of data, what it costs, what it gives.

Accuracy on all CIFAR-10 test pictures; calibration pictures are of the training set, without labels. And, on networks
with random weights, how far the outputs are from the original's on made-up inputs: no accuracy, but any graph.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from compressor.calibration import made_up_chunks
from compressor.loaded import load_model
from compressor.model_io import from_proto
from compressor.normalize import normalize
from compressor.passes.analysis import analyse
from compressor.passes.cost import CostModel
from compressor.passes.fold_shuffles import fold_shuffles
from compressor.passes.recovery.recover import FEWEST_CHUNKS, recover
from compressor.passes.rewrite import removal_of, remove_atoms
from compressor.passes.selection import Options, Scope
from compressor.pipeline import compress, replay
from compressor.verification import opened
from tests.benchmarks.report import FOLDER, new_table, show
from tests.benchmarks.resnet20 import DATA, MODEL, accuracy
from tests.zoo.removal import random_removal
from tests.zoo.source import SHARED, import_file, is_present, load

MODELS = (MODEL, SHARED / "models" / "resnet20_cifar10_bn.onnx")
WAYS: tuple[tuple[str, Scope], ...] = (("l1", "per-space"), ("l2", "global"))
KEEPS = (0.75, 0.5)
SAMPLES = (None, 128, 1024)  # None: made-up inputs
NETWORKS = ("hf_bert.dyn", "hf_gpt2.leg", "hf_vit.dyn", "hf_swin.leg", "hf_t5enc.leg", "timm_lcnet_050.dyn")
SHARE = 0.3  # of every space, at random
INPUTS = 256


def run(console: Console) -> dict[str, Any] | None:
    """Both tables."""
    missing = [str(path) for path in (*MODELS, DATA) if not path.is_file()]
    if missing or not is_present():
        console.print(f"recovery: skipped: {', '.join(missing) or 'the network collection'} is absent.")
        return None
    return {"accuracy": accuracies(console), "outputs": outputs(console)}


def accuracies(console: Console) -> list[dict[str, Any]]:
    """Each cut recovered with made-up inputs and with growing amounts of data."""
    cifar = import_file(DATA)
    images, labels = cifar.load("test")
    images = cifar.normalize(images)
    pool, _ = cifar.load("train")
    chosen = np.random.default_rng(0).choice(len(pool), max(filter(None, SAMPLES)), replace=False)
    calibration = cifar.normalize(pool[chosen])
    folder = FOLDER / "recovery"
    folder.mkdir(parents=True, exist_ok=True)
    heads = [f"{count} pictures" if count else "made-up inputs" for count in SAMPLES]
    table = new_table(
        f"ResNet-20, {len(labels)} test pictures, no training", "model, MACs kept, criterion", "pruned", *heads,
        f"s for {SAMPLES[-1]}",
    )  # fmt: skip
    found: list[dict[str, Any]] = []
    for model in MODELS:
        found.append({"model": model.name, "accuracy": accuracy(model, images, labels)})
        table.add_row(model.stem, f"{found[-1]['accuracy']:.2%}", *("" for _ in SAMPLES), "")
        for keep in KEEPS:
            for criterion, scope in WAYS:
                row = _row(model, folder, keep, criterion, scope, calibration)
                shares = [accuracy(path, images, labels) for path in row.pop("paths")]
                found.append({**row, "accuracy": shares})
                label = f"{model.stem}, {keep:g}, {criterion} {scope}"
                table.add_row(label, *(f"{share:.2%}" for share in shares), f"{row['seconds'][-1]:.1f}")
    show(console, table)
    return found


def _row(model: Path, folder: Path, keep: float, criterion: str, scope: Scope, calibration: Any) -> dict[str, Any]:
    """One cut, then replayed with every kind of recovery."""
    plan, paths, seconds, errors = folder / "plan.json", [folder / "pruned.onnx"], [], []
    compress(model, paths[0], macs=keep, criterion=criterion, options=Options(scope=scope), plan_path=plan)
    for count in SAMPLES:
        paths.append(folder / f"{count}.onnx")
        data = None if count is None else (calibration,)
        result = replay(model, plan, paths[-1], data=data, samples=count or 1024, recover=True, verify=False)
        record = result.recovery or {}
        seconds.append(record["seconds"])
        errors.append([record["output_error_before"], record["output_error_after"]])
    before, after = load_model(model).cost, result.after
    return {
        "model": model.name, "keep": keep, "criterion": criterion, "scope": scope, "paths": paths,
        "seconds": seconds, "output_errors": errors, "samples": list(SAMPLES),
        "macs": [before.cost(np.zeros(0, np.int64)).macs, after.macs],
    }  # fmt: skip


def outputs(console: Console) -> list[dict[str, Any]]:
    """Random cuts of networks with random weights."""
    table = new_table(
        f"Random weights, {SHARE:.0%} removed at random, {INPUTS} made-up inputs: squared error of the outputs",
        "network", "pruned", "recovered", "layers", "made up for", "not solvable", "s",
    )  # fmt: skip
    found = []
    for name in NETWORKS:
        analysis = analyse(fold_shuffles(normalize(from_proto(load(name)))))
        atoms = random_removal(analysis, CostModel(analysis), share=SHARE, width=False, seed=0)
        chunks = made_up_chunks(analysis.graph, samples=INPUTS, fewest_chunks=FEWEST_CHUNKS)
        start = time.perf_counter()
        result = recover(remove_atoms(analysis, atoms), analysis, removal_of(analysis, atoms), chunks, opened)
        seconds = time.perf_counter() - start
        solved = [outcome for outcome in result.outcomes if outcome.method != "kept"]
        table.add_row(
            name, f"{result.output_before:.4f}", f"{result.output_after:.4f}",
            f"{len(solved)} of {len(result.outcomes)}", str(sum(outcome.compensated for outcome in solved)),
            str(len(result.skipped)), f"{seconds:.1f}",
        )  # fmt: skip
        found.append({"network": name, **result.to_json()})
    show(console, table)
    return found
