"""A small network, recipes of it, and what a run leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from compressor.recipe.carrying_out import carry_out
from compressor.recipe.common import RecipeFile
from compressor.recipe.results import Published
from compressor.recipe.runner import Run
from compressor.recipe.schema import read_recipe
from tests.compressor.cli_models import snapshot
from tests.passes.graphs import model

WHOLE = "prune: {macs: 0.6}\nrecover:\nfold:\n"
"""Every stage that needs neither PyTorch nor a clock."""


def network(seed: int = 0) -> onnx.ModelProto:
    """x [N, 3, 8, 8] -> Conv -> BatchNorm -> Relu -> Conv -> BatchNorm -> mean -> y [N, 12]."""
    rng = np.random.default_rng(seed)
    weights: dict[str, Any] = {"W": (24, 3, 3, 3), "V": (12, 24, 3, 3)}
    for letter, channels in (("a", 24), ("c", 12)):
        weights |= {f"{letter}{name}": rng.standard_normal(channels).astype(np.float32) for name in "sbm"}
        weights[f"{letter}v"] = rng.uniform(0.5, 2, channels).astype(np.float32)
    body = """
        h = Conv<kernel_shape=[3, 3], pads=[1, 1, 1, 1]>(x, W)
        n = BatchNormalization(h, as, ab, am, av)
        r = Relu(n)
        g = Conv<kernel_shape=[3, 3]>(r, V)
        m = BatchNormalization(g, cs, cb, cm, cv)
        p = GlobalAveragePool(m)
        y = Flatten(p)
    """
    return model(body, weights, inputs="float[N, 3, 8, 8] x", outputs="float[N, 12] y", seed=seed)


def placed(folder: Path, text: str = WHOLE) -> Path:
    """A recipe in ``folder``, with its model beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(network().SerializeToString())
    path = folder / "recipe.yaml"
    path.write_text(f"model: model.onnx\n{text}", encoding="utf-8")
    return path


def recipe_of(folder: Path, text: str = WHOLE) -> RecipeFile:
    """The same, read."""
    return read_recipe(placed(folder, text))


def carried_out(recipe: RecipeFile, out: Path, **more: Any) -> tuple[Run, Published]:
    """A run to its end."""
    run = Run(recipe, out, **more)
    run.prepare()
    return run, carry_out(run)


def visible(out: Path) -> dict[str, bytes]:
    """Files that a user sees in an output folder."""
    return {name: data for name, data in snapshot(out).items() if not name.startswith(".")}


def document(out: Path, name: str) -> Any:
    """A JSON file of an output folder."""
    return json.loads((out / name).read_text(encoding="utf-8"))
