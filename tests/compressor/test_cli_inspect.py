"""``compressor inspect``."""

from __future__ import annotations

from pathlib import Path

from compressor.models.demo import demo_model_path
from tests.compressor.cli_models import HIDDEN, Cli, fixed_model, saved


def test_table_shows_spaces_and_reasons(cli: Cli, tmp_path: Path) -> None:
    out = cli.ok("inspect", saved(tmp_path / "m.onnx"))
    headline, interface, *rest = out.split("\n")
    params = 16 * HIDDEN + HIDDEN + HIDDEN * 8
    assert f"opset 17, 3 nodes, {params} parameters, {24 * HIDDEN} MACs per sample" in headline
    assert "100 % of the weights reachable" in headline
    assert interface == "x [n, 16] -> y [n, 8]"
    assert "Channel spaces: 1, with 64 removable channels" in out
    (row,) = [line for line in rest if line.startswith(" w1[1] ")]
    assert row.split() == ["w1[1]", "w1[1],", "b1[0],", "...", "1", "more", "64", str(params), str(24 * HIDDEN)]
    assert "graph output" in out


def test_all_lists_each_coupled_parameter_and_fixed_axis(cli: Cli, tmp_path: Path) -> None:
    out = cli.ok("inspect", saved(tmp_path / "m.onnx"), "--all")
    assert "w1[1], b1[0], w2[0]" in out
    assert "graph output 'y'" in out


def test_equal_reasons_meet_in_one_row(cli: Cli) -> None:
    out = cli.ok("inspect", demo_model_path())
    rows = [line for line in out.split("\n") if "a convolution slides over this axis" in line]
    kernels = [1 for _, _, why in cli.json("inspect", demo_model_path())["fixed"] if "slides" in why]
    assert len(rows) == 1
    assert rows[0].split()[-1] == str(len(kernels))
    assert len(kernels) > 2


def test_nothing_to_cut_is_said(cli: Cli, tmp_path: Path) -> None:
    assert "No channel can be removed." in cli.ok("inspect", saved(tmp_path / "m.onnx", fixed_model()))


def test_json(cli: Cli, tmp_path: Path) -> None:
    result = cli.json("inspect", saved(tmp_path / "m.onnx"))
    (space,) = result["spaces"]
    assert (space["name"], space["size"], space["soft"]) == ("w1[1]", HIDDEN, False)
    assert space["parameters"] == ["w1[1]", "b1[0]", "w2[0]"]
    assert result["size_bytes"] == (tmp_path / "m.onnx").stat().st_size
