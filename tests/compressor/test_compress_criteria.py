"""``compress`` with criteria that look at data, and the options of how scores combine."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from compressor.errors import UsageError
from compressor.finetuning import Finetuning
from compressor.model_io import read, to_proto
from compressor.passes.scores import CRITERIA
from compressor.passes.selection import Options
from compressor.pipeline import compress
from tests.compressor.cli_models import HIDDEN, Cli, saved
from tests.passes.graphs import analysed


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(tmp_path / "m.onnx")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "calibration.npz"
    np.savez(path, x=rng.standard_normal((40, 16)).astype(np.float32), labels=rng.integers(0, 4, 40))
    return path


@pytest.mark.parametrize("name", [name for name, criterion in CRITERIA.items() if criterion.needs])
def test_a_criterion_of_data_through_the_command_line(cli: Cli, model: Path, data: Path, name: str) -> None:
    plan = model.with_name("p.json")
    line = ("compress", model, "-o", model.with_name("o.onnx"), "--channels", "0.5", "--criterion", name)
    result = cli.json(*line, "--data", data, "--epochs", "0", "--combine", "max", "--plan", plan)
    assert result["after"]["channels"] == HIDDEN // 2
    assert result["training"] is None
    made = json.loads(plan.read_text())["made_with"]
    assert (made["criterion"], made["combine"]) == (name, "max")
    assert made["normalise"] is not CRITERIA.get(name).comparable


def test_without_data_it_says_what_to_give(cli: Cli, model: Path) -> None:
    line = ("compress", model, "-o", model.with_name("o.onnx"), "--channels", "0.5", "--criterion", "obs")
    assert "criterion 'obs' needs data for activations. Give some with --data" in cli.error(*line)
    assert not model.with_name("o.onnx").exists()


def test_options_of_training_make_no_sense_without_any(cli: Cli, model: Path, data: Path) -> None:
    line = ("compress", model, "-o", model.with_name("o.onnx"), "--channels", "0.5", "--data", data, "--epochs", "0")
    assert "--lr would have no effect" in cli.error(*line, "--lr", "0.1")


def test_the_fine_tunings_data_serve_the_criterion_too(model: Path, data: Path) -> None:
    seen: list[object] = []
    wish = Finetuning(lambda module, context: seen.append(context.train), data=str(data))
    result = compress(model, model.with_name("o.onnx"), channels=0.5, criterion="activation", finetune=wish)
    assert result.after.channels == HIDDEN // 2
    assert len(seen) == 1


def test_unlabelled_data_do_for_fisher_and_not_for_taylor(model: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((40, 16)).astype(np.float32)
    output = model.with_name("o.onnx")
    compress(model, output, channels=0.5, criterion="fisher", data=rows)
    with pytest.raises(UsageError, match=r"no labels.* fisher"):
        compress(model, output, channels=0.5, criterion="taylor", data=rows)


def test_a_global_ranking_may_take_scores_as_they_are(tmp_path: Path) -> None:
    """Two layers, one with weights ten times as large: as they are, the small one gives all it can first."""
    rng = np.random.default_rng(0)
    small, large = (rng.standard_normal((12, 12)).astype(np.float32) * scale for scale in (0.1, 10))
    body = "a = MatMul(x, u)\nb = Relu(a)\nc = MatMul(b, v)\nd = Relu(c)\ny = MatMul(d, w)"
    weights = {"u": small, "v": small, "w": large}
    proto = to_proto(analysed(body, weights, inputs="float[N, 12] x").graph)
    model = saved(tmp_path / "m.onnx", proto)
    kept = {}
    for normalise in (True, False):
        compress(model, tmp_path / "o.onnx", channels=0.6, options=Options(scope="global", normalise=normalise))
        kept[normalise] = [int(size) for size in read(tmp_path / "o.onnx").tensors()["v"].shape]
    assert kept[False] == [2, 12]
    assert min(kept[True]) > 4


def test_the_help_names_every_criterion(cli: Cli) -> None:
    text = " ".join(cli.ok("compress", "--help").split()).replace("- ", "-")  # lines break after hyphens too
    for name, criterion in CRITERIA.items():
        listed = text.partition("from --data:")[2] if criterion.needs else text.partition("From weights:")[2]
        assert f" {name}" in listed
