"""``compressor why``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.backends.kernel_models import residual_net
from tests.compressor.cli_models import Cli, fixed_model, mlp, saved


@pytest.fixture
def models(tmp_path: Path) -> tuple[Path, Path]:
    return saved(tmp_path / "a.onnx", residual_net(16)), saved(tmp_path / "b.onnx", residual_net(13))


def test_two_models(cli: Cli, models: tuple[Path, Path]) -> None:
    out = cli.ok("why", *models, "--probe", "0", "--top", "4")
    lines = out.splitlines()
    assert lines[0].endswith("a.onnx -> " + str(models[1]) + ": onnxruntime-cpu, 1 thread, x 1x3x32x32")
    assert any("16x16 -> 13x13" in line and "BatchNormalization" in line for line in lines)
    assert "speed-up" in out
    assert "predicted" not in out
    assert sum(line.startswith(("before: ", "after: ")) for line in lines) == 2
    assert "more ops: " in out
    assert "whole runs: " in out
    assert any(line.startswith("- ") and "takes" in line for line in lines)


def test_one_model(cli: Cli, models: tuple[Path, Path]) -> None:
    out = cli.ok("why", models[0], "--backend", "null")
    assert "speed-up" not in out
    assert "before: " in out
    assert "after: " not in out
    assert "along first0.w[0]" in out or "along stem.w[0]" in out


def test_json(cli: Cli, models: tuple[Path, Path]) -> None:
    result = cli.json("why", *models, "--probe", "1", "--backend", "null")
    assert (result["kind"], result["version"], result["backend"]) == ("why", 1, "null")
    assert result["models"] == {"before": str(models[0]), "after": str(models[1])}
    assert result["sizes"] == {"x": [1, 3, 32, 32]}
    assert result["whole_ms"].keys() == result["kernels_ms"].keys() == result["profiling_overhead"].keys()
    assert sum(row["share"] for row in result["rows"]) == pytest.approx(1)
    (stem,) = [row for row in result["rows"] if row["layer"] == "stem"]
    assert (stem["before_widths"], stem["after_widths"]) == ([3, 16], [3, 13])
    assert (stem["op"], stem["added"], stem["predicted_ms"]) == ("Conv", False, None)
    assert result["advice"]
    assert len({str(steps) for steps in result["steps"].values()}) == 1


def test_sizes_are_given_like_in_bench(cli: Cli, tmp_path: Path) -> None:
    a = saved(tmp_path / "m.onnx", mlp())
    assert cli.json("why", a, "--batch", "3", "--backend", "null")["sizes"] == {"x": [3, 16]}
    assert cli.json("why", a, "--dim", "n=5", "--backend", "null")["sizes"] == {"x": [5, 16]}
    assert "is not NAME=SIZE" in cli.error("why", a, "--dim", "n")
    assert "dynamic dimension" in cli.error("why", a, "--dim", "m=5", "--backend", "null")


def test_a_model_without_spaces(cli: Cli, tmp_path: Path) -> None:
    out = cli.ok("why", saved(tmp_path / "f.onnx", fixed_model()), "--backend", "null")
    assert "no cut of channels makes faster" in out


def test_mistakes_are_one_line(cli: Cli, tmp_path: Path, models: tuple[Path, Path]) -> None:
    assert "no such file" in cli.error("why", tmp_path / "missing.onnx")
    assert "no such file" in cli.error("why", models[0], tmp_path / "missing.onnx")
    other = saved(tmp_path / "o.onnx", mlp())
    assert "with fewer channels: " in cli.error("why", models[0], other)
    (tmp_path / "text.onnx").write_text("no model")
    cli.error("why", tmp_path / "text.onnx")


def test_a_runtime_that_does_not_tell(cli: Cli, models: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from compressor.backends.null import NullBackend

    monkeypatch.setattr(NullBackend, "tells_kernels", False)
    assert "null: this runtime does not tell the times of its kernels" in cli.error(
        "why", models[0], "--backend", "null", code=3
    )
