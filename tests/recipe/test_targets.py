"""The targets of a recipe's prune stage are those of ``compressor compress``, each carried out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compressor.errors import BackendError
from tests.latency.fake_runtime import install, ms_of
from tests.recipe.small import carried_out, document, recipe_of


def pruned(folder: Path, text: str) -> dict[str, Any]:
    """The record of the stage."""
    carried_out(recipe_of(folder, text), folder / "out")
    (found,) = (one for one in document(folder / "out", "run.json")["stages"] if one["stage"] == "prune")
    record: dict[str, Any] = found["record"]
    return record


def share(record: dict[str, Any], name: str) -> float:
    return float(record["after"][name] / record["before"][name])


def test_a_size_and_a_peak_of_memory(tmp_path: Path) -> None:
    assert 0.45 < share(pruned(tmp_path / "a", "prune: {size: 0.5}"), "weight_bytes") <= 0.5
    record = pruned(tmp_path / "b", "prune: {memory: 0.7, batch: 100}")
    assert 0.5 < share(record, "peak_bytes") <= 0.7
    assert record["made_with"]["batch"] == 100


def test_a_latency_with_a_size_beside_it_in_trained_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="training needs PyTorch")
    install(monkeypatch, tmp_path / "cache")
    rng = np.random.default_rng(0)
    x, labels = rng.standard_normal((64, 3, 8, 8)).astype(np.float32), rng.integers(0, 12, 64)
    tmp_path.mkdir(exist_ok=True)
    np.savez(tmp_path / "data.npz", x=x, labels=labels)
    text = """
data: data.npz
prune: {latency: 0.6, size: 0.62, backend: "null", schedule: constant, steps: 2}
finetune: {epochs: 1, precision: bfloat16, distill: true, distill_temperature: 2, keep_zeros: true}
"""
    record = pruned(tmp_path, text)
    assert record["latency"]["ratio"] <= 0.6 * 1.03
    assert share(record, "weight_bytes") <= 0.62
    assert record["latency"]["budgets"]["size"]["asked"] == 0.62
    assert [step["epochs"] for step in record["steps"]] == [1, 1]
    settings = record["training"]["settings"]
    assert (settings["precision"], settings["mixture"]["temperature"]) == ("bfloat16", 2.0)
    ratio = ms_of(tmp_path / "out" / "model.onnx") / ms_of(tmp_path / "model.onnx")
    assert ratio == pytest.approx(record["latency"]["ratio"], rel=0.1)  # the file keeps its batch norms


def test_an_energy_needs_a_meter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compressor.backends.energy.ROOT", tmp_path)
    with pytest.raises(BackendError, match="its energy cannot be measured"):
        pruned(tmp_path, "prune: {energy: 0.5}")
