"""``sparsify``: a file in a pattern, its sizes, what it is good for, and training that keeps the zeros."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compressor.errors import UsageError
from compressor.model_io import read
from compressor.sparsifying import RUNTIMES, sparsify, zipped_bytes
from tests.compressor.cli_models import Cli, saved


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(tmp_path / "m.onnx")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "data.npz"
    np.savez(path, x=rng.standard_normal((256, 16)).astype(np.float32), labels=rng.integers(0, 8, 256))
    return path


def weight(path: Path, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(read(path).tensors()[name].values)


def two_of_four(values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bool:
    """Along axis 0, the inputs of both matrices."""
    return bool(((values.reshape(-1, 4, values.shape[1]) != 0).sum(1) == 2).all())


def test_a_pattern_through_the_command_line(cli: Cli, model: Path) -> None:
    output = model.with_name("s.onnx")
    result = cli.json("sparsify", model, "-o", output, "--pattern", "2:4")
    assert two_of_four(weight(output, "w1"))
    assert two_of_four(weight(output, "w2"))
    assert (result["weights"], result["zeros"]) == (16 * 64 + 64 * 8, (16 * 64 + 64 * 8) // 2)
    assert result["before"] == {"size_bytes": model.stat().st_size, "zipped_bytes": zipped_bytes(model)}
    assert result["after"]["zipped_bytes"] == zipped_bytes(output) < 0.75 * result["before"]["zipped_bytes"]
    assert RUNTIMES["none"] in result["advice"]
    assert RUNTIMES["2:4"] in result["advice"]


def test_the_report_says_where_it_is_fast_and_where_not(cli: Cli, model: Path, data: Path) -> None:
    line = ("sparsify", model, "-o", model.with_name("s.onnx"), "--sparsity", "0.75", "--scope", "global")
    out = cli.ok(*line, "--criterion", "activation", "--data", data)
    assert "1,152 of 1,536 weights are zero (75.0%): 0.75 by activation" in out
    assert "ONNX Runtime (CPU and CUDA) computes zeros like any other number" in out
    assert "TensorRT" not in out
    assert "zipped: " in out


def test_training_keeps_the_zeros_and_moves_the_rest(model: Path, data: Path, cli: Cli) -> None:
    pytest.importorskip("torch")
    plain, tuned, again = (model.with_name(f"{name}.onnx") for name in ("plain", "tuned", "again"))
    sparsify(model, plain, pattern="2:4")
    result = cli.json(
        "sparsify", model, "-o", tuned, "--pattern", "2:4", "--data", data, "--epochs", "2", "--lr", "0.1"
    )
    assert two_of_four(weight(tuned, "w1"))
    assert two_of_four(weight(tuned, "w2"))
    np.testing.assert_array_equal(weight(tuned, "w1") == 0, weight(plain, "w1") == 0)
    assert (weight(tuned, "w1") != weight(plain, "w1")).sum() > 400
    assert result["training"]["history"]
    cli.ok("finetune", plain, "-o", again, "--data", data, "--epochs", "1", "--keep-zeros")
    np.testing.assert_array_equal(weight(again, "w1") == 0, weight(plain, "w1") == 0)
    assert (weight(again, "w1") != weight(plain, "w1")).any()
    cli.ok("finetune", plain, "-o", again, "--data", data, "--epochs", "1")
    assert not two_of_four(weight(again, "w1"))


def test_zipped_bytes_are_what_zip_makes_of_it(model: Path) -> None:
    import zipfile

    archive = model.with_name("a.zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as file:
        file.write(model)
        assert abs(file.infolist()[0].compress_size - zipped_bytes(model)) < 32


def test_wrong_use_is_refused_before_any_work(cli: Cli, model: Path) -> None:
    output = model.with_name("s.onnx")
    assert "one of --pattern and --sparsity" in cli.error("sparsify", model, "-o", output)
    assert "needs data" in cli.error("sparsify", model, "-o", output, "--pattern", "2:4", "--criterion", "activation")
    with pytest.raises(UsageError, match="input file"):
        sparsify(model, model, pattern="2:4")
    assert not output.exists()
