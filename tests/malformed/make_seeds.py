"""Writes the committed seeds: `python -m tests.malformed.make_seeds`. Needed again only when a format changes."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

from compressor.cli import main
from tests.compressor.cli_models import mlp
from tests.malformed.cases import SEEDS
from tests.passes.graphs import Weights, model
from tests.recipe.small import network

STUDY = """
name: small
models: {small: model.onnx}
data: {source: data.npz}
test: data.npz
ratios: [0.3, 0.5]
criteria: [l1]
regimes: {one-shot: {}, geometric: {steps: 2}}
budget: {epochs: 2}
seeds: [0]
"""
RECIPE = """
model: model.onnx
data: data.npz
samples: 64
seed: 3
prune: {macs: 0.6, criterion: l2, scope: global, round_to: 2}
recover:
fold: {batchnorm: true, constants: true}
verify: {inputs: 2}
"""
POLICY = """
version: 1
size: {max_ratio: 1.0}
params: {max_ratio: 1.0}
ops: {forbidden: [Loop]}
opset: {min: 9}
runtime: {backends: onnxruntime-cpu}
drift: {max_relative: 5.0, samples: 8}
metric: {function: own.py:figure, min_value: 0.5}
"""
OWN = """
def figure(path: str) -> float:
    return 1.0
"""
NORM = """
model: norm.onnx
prune: {params: 0.7, schedule: geometric, steps: 2}
fold:
"""


def gru() -> onnx.ModelProto:
    """A recurrent network with shape arithmetic."""
    body = """
        h, last = GRU<hidden_size=6, direction="bidirectional">(x, W, R, B)
        t = Transpose<perm=[0, 2, 1, 3]>(h)
        s = Shape<end=2>(t)
        k = Concat<axis=0>(s, minus)
        f = Reshape(t, k)
        m = MatMul(f, V)
        y = Softmax<axis=-1>(m)
    """
    weights: Weights = {"W": (2, 18, 5), "R": (2, 18, 6), "B": (2, 36), "V": (12, 4), "minus": np.array([-1], np.int64)}
    return model(body, weights, inputs="float[T, N, 5] x", outputs="float y")


def write_seeds(folder: Path) -> None:
    """All of them."""
    for name, proto in (("model", mlp()), ("norm", network()), ("gru", gru())):
        (folder / f"{name}.onnx").write_bytes(proto.SerializeToString())
    rng = np.random.default_rng(0)
    np.savez(
        folder / "data.npz", x=rng.standard_normal((64, 16)).astype(np.float32), labels=rng.integers(0, 8, 64, np.int64)
    )
    for name, text in (("study", STUDY), ("recipe", RECIPE), ("norm", NORM), ("policy", POLICY)):
        (folder / f"{name}.yaml").write_text(text.lstrip(), encoding="utf-8")
    (folder / "own.py").write_text(OWN.lstrip(), encoding="utf-8")
    cut = "compress model.onnx -o small.onnx --channels 0.5"
    for arguments in (
        f"{cut} --schedule geometric --steps 2 --plan steps.json",
        f"{cut} --plan plan.json",
        "gate --baseline model.onnx --candidate small.onnx --policy policy.yaml -o gate.json",
        "table model.onnx -o table.json --minutes 0.1",
    ):
        if main(arguments.split()):
            sys.exit(f"failed: {arguments}")
    table = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    table["facts"]["cpu_model"] = "of no machine"  # nothing is measured then, and every machine does the same
    (folder / "table.json").write_text(json.dumps(table, indent=1), encoding="utf-8")


if __name__ == "__main__":
    SEEDS.mkdir(exist_ok=True)
    os.chdir(SEEDS)  # so that no path of this machine gets into them
    write_seeds(Path())
    with tempfile.TemporaryDirectory() as out:
        if main(["run", "recipe.yaml", "--out", out]):
            sys.exit("the recipe failed")
        shutil.copyfile(Path(out) / "recipe.lock", "recipe.lock")
