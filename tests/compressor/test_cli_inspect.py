"""``compressor inspect``."""

from __future__ import annotations

from pathlib import Path

from compressor.models.demo import demo_model_path
from tests.compressor.cli_models import HIDDEN, Cli, fixed_model, mlp, saved
from tests.passes.graphs import model as small_model


def test_table_shows_spaces_and_reasons(cli: Cli, tmp_path: Path) -> None:
    out = cli.ok("inspect", saved(tmp_path / "m.onnx"))
    headline, interface, *rest = out.split("\n")
    params = 16 * HIDDEN + HIDDEN + HIDDEN * 8
    assert f"opset 17, 3 nodes, {params} parameters, {24 * HIDDEN} MACs per sample" in headline
    assert "100 % of the weights reachable" in headline
    assert interface == "x [n, 16] -> y [n, 8]"
    assert "Channel spaces: 1, with 64 removable channels" in out
    (row,) = [line for line in rest if line.startswith(" w1[1] ")]
    ops = ["Gemm,", "MatMul"]
    assert row.split() == ["w1[1]", "w1[1],", "b1[0],", "...", "1", "more", *ops, "64", str(params), str(24 * HIDDEN)]
    assert "graph output" in out


def test_all_lists_each_coupled_parameter_and_fixed_axis(cli: Cli, tmp_path: Path) -> None:
    out = cli.ok("inspect", saved(tmp_path / "m.onnx"), "--all")
    assert "w1[1], b1[0], w2[0]" in out
    assert "graph output 'y'" in out


def test_equal_reasons_meet_in_one_row(cli: Cli) -> None:
    out = cli.ok("inspect", demo_model_path())
    rows = [line for line in out.split("\n") if "a convolution slides over this axis" in line]
    kernels = [one for one in cli.json("inspect", demo_model_path())["fixed"] if "slides" in one["reason"]]
    assert len(rows) == 1
    assert rows[0].split()[-1] == str(len(kernels))
    assert len(kernels) > 2


def test_nothing_to_cut_is_said(cli: Cli, tmp_path: Path) -> None:
    assert "No channel can be removed." in cli.ok("inspect", saved(tmp_path / "m.onnx", fixed_model()))


def test_branches_are_told_apart(cli: Cli, tmp_path: Path) -> None:
    body = "h = MatMul(x, w)\ni = MatMul(h, a)\nj = MatMul(i, b)\nk = Add(h, j)\ny = MatMul(k, v)"
    model = saved(tmp_path / "m.onnx", small_model(body, {"w": (6, 8), "a": (8, 4), "b": (4, 8), "v": (8, 3)}))
    found = {space["name"]: space["branch"] for space in cli.json("inspect", model)["spaces"]}
    assert found == {"w[1]": False, "a[1]": True}
    assert "branch: may go whole with --drop-branches" in cli.ok("inspect", model)


def test_json(cli: Cli, tmp_path: Path) -> None:
    result = cli.json("inspect", saved(tmp_path / "m.onnx"))
    (space,) = result["spaces"]
    assert (space["name"], space["size"], space["soft"]) == ("w1[1]", HIDDEN, False)
    assert space["parameters"] == ["w1[1]", "b1[0]", "w2[0]"]
    assert result["size_bytes"] == (tmp_path / "m.onnx").stat().st_size
    assert result["parameters"] == {"w1": [16, HIDDEN], "b1": [HIDDEN], "w2": [HIDDEN, 8]}
    assert space["parts"][0] == {
        "role": "makes", "parameter": "w1", "axis": 1, "per_channel": 1.0, "node": "Gemm 'first'",
    }  # fmt: skip
    assert space["passes"] == {"Relu": 1}
    assert {
        "parameter": "w2", "axis": 1, "count": 8, "size": 8, "reason": "graph output 'y'", "group": "graph output",
        "chain": ["graph output 'y'", "MatMul 'second'"],
    } in result["fixed"]  # fmt: skip


def test_one_space_in_full(cli: Cli, tmp_path: Path) -> None:
    out = cli.ok("inspect", saved(tmp_path / "m.onnx"), "--space", "w1[1]")
    assert out.split("\n")[0].startswith(f"Space w1[1]: {HIDDEN} channels")
    made, read, followed = (out.index(word) for word in ("made by", "read by", "followed by"))
    assert made < out.index("  w1[1] of Gemm 'first'") < read < out.index("  w2[0] of MatMul 'second'") < followed
    assert "runs through Relu" in out
    error = cli.error("inspect", tmp_path / "m.onnx", "--space", "w1")
    assert "no channel space is called 'w1'" in error
    assert "Did you mean 'w1[1]'?" in error


def test_why_explains_an_axis_or_a_whole_parameter(cli: Cli, tmp_path: Path) -> None:
    model = saved(tmp_path / "m.onnx")
    assert cli.ok("inspect", model, "--why", "w2:1") == "w2[1]: fixed: graph output 'y' <- MatMul 'second'\n"
    assert cli.ok("inspect", model, "--why", "w2:-1") == cli.ok("inspect", model, "--why", "w2:1")
    first, second = cli.ok("inspect", model, "--why", "w1").splitlines()
    assert first == "w1[0]: fixed: graph input 'x' <- Gemm 'first'"
    assert second == f"w1[1]: {HIDDEN} indices, cut with space w1[1]"


def test_why_takes_names_with_a_colon_and_refuses_what_is_not_there(cli: Cli, tmp_path: Path) -> None:
    model = saved(tmp_path / "m.onnx", mlp(second="w:0"))
    assert len(cli.ok("inspect", model, "--why", "w:0").splitlines()) == 2
    assert cli.ok("inspect", model, "--why", "w:0:1").startswith("w:0[1]: fixed: graph output")
    assert "no parameter is called 'w11'" in cli.error("inspect", model, "--why", "w11:1")
    assert "'w1' has 2 axes" in cli.error("inspect", model, "--why", "w1:2")
    assert "Leave out" in cli.error("inspect", model, "--why", "w1", "--json")
