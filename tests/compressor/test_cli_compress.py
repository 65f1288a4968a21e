"""``compressor compress`` and ``compressor verify``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.compressor.cli_models import HIDDEN, Cli, mlp, saved, snapshot
from tests.passes.graphs import Weights
from tests.passes.graphs import model as small_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(tmp_path / "m.onnx")


def weight(path: Path, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """An initializer's values."""
    (found,) = [tensor for tensor in onnx.load(path).graph.initializer if tensor.name == name]
    return numpy_helper.to_array(found)


def test_table_says_what_was_done(cli: Cli, model: Path, tmp_path: Path) -> None:
    out = cli.ok("compress", model, "-o", tmp_path / "o.onnx", "--channels", "0.5", "--plan", tmp_path / "p.json")
    rows = {line.split("  ")[0].strip(): line.split() for line in out.split("\n") if line.startswith(" ")}
    assert rows["channels"][1:] == ["64", "32", "0.500"]
    assert rows["MACs per sample"][-1] == "0.500"
    assert "proven: pruned equals masked original, max error" in out
    assert "3 random inputs at n 2 and at n 5" in out
    assert out.endswith(f"model: {tmp_path / 'o.onnx'}\nplan: {tmp_path / 'p.json'}\n")
    assert weight(tmp_path / "o.onnx", "w1").shape == (16, HIDDEN // 2)


def test_the_weakest_channels_go(cli: Cli, tmp_path: Path) -> None:
    proto = mlp()
    rows = numpy_helper.to_array(proto.graph.initializer[2]).copy()
    columns = numpy_helper.to_array(proto.graph.initializer[0]).copy()
    bias = numpy_helper.to_array(proto.graph.initializer[1]).copy()
    weak = [3, 17, 40]
    rows[weak] *= 0.001
    columns[:, weak] *= 0.001
    bias[weak] *= 0.001
    for index, values in ((0, columns), (1, bias), (2, rows)):
        proto.graph.initializer[index].CopyFrom(numpy_helper.from_array(values, proto.graph.initializer[index].name))
    model = saved(tmp_path / "m.onnx", proto)
    cli.ok("compress", model, "-o", tmp_path / "o.onnx", "--channels", "0.954")
    assert np.array_equal(weight(tmp_path / "o.onnx", "w2"), np.delete(rows, weak, axis=0))


@pytest.mark.parametrize("metric", ["params", "macs", "channels"])
def test_each_target_is_met(cli: Cli, model: Path, tmp_path: Path, metric: str) -> None:
    result = cli.json("compress", model, "-o", tmp_path / "o.onnx", f"--{metric}", "0.3")
    reached = result["after"][metric] / result["before"][metric]
    assert 0.3 - 1 / HIDDEN <= reached <= 0.3
    assert result["after"]["size_bytes"] == (tmp_path / "o.onnx").stat().st_size
    assert result["verification"]["max_error"] <= result["verification"]["tolerance"]


def test_options_reach_the_selection(cli: Cli, model: Path, tmp_path: Path) -> None:
    arguments = ("compress", model, "-o", tmp_path / "o.onnx", "--channels", "0.3")
    options = ("--criterion", "random", "--seed", "7", "--scope", "global-floor", "--floor", "0.2", "--round-to", "16")
    result = cli.json(*arguments, *options)
    wanted = {"criterion": "random", "seed": 7, "scope": "global-floor", "floor": 0.2, "round_to": 16}
    assert wanted.items() <= result["made_with"].items()
    assert result["after"]["channels"] == 16


def test_what_is_excluded_stays_whole(cli: Cli, tmp_path: Path) -> None:
    body = "h = MatMul(x, w1)\nr = Relu(h)\ni = MatMul(r, w2)\ns = Relu(i)\ny = MatMul(s, w3)"
    model = saved(tmp_path / "m.onnx", small_model(body, {"w1": (6, 32), "w2": (32, 32), "w3": (32, 5)}))
    output, plan, report = tmp_path / "o.onnx", tmp_path / "p.json", tmp_path / "c.json"
    result = cli.json("compress", model, "-o", output, "--params", "0.6", "--exclude", "w1", "--plan", plan)
    assert weight(output, "w1").shape == (6, 32)
    assert weight(output, "w2").shape[1] < 32
    assert result["made_with"]["exclude"] == ["w1"]
    cli.ok("compress", model, "-o", tmp_path / "again.onnx", "--replay", plan)
    assert (tmp_path / "again.onnx").read_bytes() == output.read_bytes()
    report.write_text(json.dumps({**result, "plan": None}))
    cli.ok("report", report, "-o", tmp_path / "r.html")
    assert "--exclude w1" in (tmp_path / "r.html").read_text()


RESIDUAL = "h = MatMul(x, w)\ni = MatMul(h, a)\nr = Relu(i)\nj = MatMul(r, b)\nk = Add(h, j)\ny = MatMul(k, v)"
RESIDUAL_WEIGHTS: Weights = {
    "w": (6, 8),
    "a": 1e-3 * np.ones((8, 32), np.float32),
    "b": 1e-3 * np.ones((32, 8), np.float32),
    "v": (8, 3),
}


def test_a_branch_goes_whole_when_asked(cli: Cli, tmp_path: Path) -> None:
    model = saved(tmp_path / "m.onnx", small_model(RESIDUAL, RESIDUAL_WEIGHTS))
    output, plan, report = tmp_path / "o.onnx", tmp_path / "p.json", tmp_path / "c.json"
    asked = ("compress", model, "-o", output, "--params", "0.13", "--scope", "global", "--no-normalise")
    assert "cannot be reached" not in cli.ok(*asked)
    assert len(onnx.load(output).graph.node) == 6
    result = cli.json(*asked, "--drop-branches", "--plan", plan)
    assert [node.op_type for node in onnx.load(output).graph.node] == ["MatMul", "Add", "MatMul"]
    assert result["made_with"]["drop_branches"] is True
    assert result["after"]["params"] == 6 * 8 + 8 * 3
    cli.ok("compress", model, "-o", tmp_path / "again.onnx", "--replay", plan)
    assert (tmp_path / "again.onnx").read_bytes() == output.read_bytes()
    cli.ok("verify", model, output, "--plan", plan)
    report.write_text(json.dumps({**result, "plan": None}))
    cli.ok("report", report, "-o", tmp_path / "r.html")
    assert "--drop-branches" in (tmp_path / "r.html").read_text()


def test_an_excluded_name_that_nothing_has(cli: Cli, model: Path, tmp_path: Path) -> None:
    message = cli.error("compress", model, "-o", tmp_path / "o.onnx", "--params", "0.5", "--exclude", "w0")
    assert "--exclude w0: no channels are called that. `compressor inspect` lists the names." in message
    assert not (tmp_path / "o.onnx").exists()


def test_no_verify_is_said(cli: Cli, model: Path, tmp_path: Path) -> None:
    assert "not verified" in cli.ok("compress", model, "-o", tmp_path / "o.onnx", "--macs", "0.5", "--no-verify")


def test_replay_gives_the_same_file(cli: Cli, model: Path, tmp_path: Path) -> None:
    cli.ok("compress", model, "-o", tmp_path / "o.onnx", "--macs", "0.5", "--plan", tmp_path / "p.json")
    cli.ok("compress", model, "-o", tmp_path / "again.onnx", "--replay", tmp_path / "p.json")
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "o.onnx").read_bytes()


@pytest.mark.parametrize(
    "extra", [("--macs", "0.5"), ("--criterion", "l2"), ("--round-to", "8"), ("--allow-width",), ("--plan", "q.json")]
)
def test_replay_refuses_what_it_would_ignore(cli: Cli, model: Path, tmp_path: Path, extra: tuple[str, ...]) -> None:
    said = cli.error("compress", model, "-o", tmp_path / "o.onnx", "--replay", tmp_path / "p.json", *extra)
    assert f"so {extra[0]} would have no effect" in said


def test_replay_on_another_model_is_refused(cli: Cli, model: Path, tmp_path: Path) -> None:
    cli.ok("compress", model, "-o", tmp_path / "o.onnx", "--macs", "0.5", "--plan", tmp_path / "p.json")
    other = saved(tmp_path / "other.onnx", mlp(seed=1))
    before = snapshot(tmp_path)
    said = cli.error("compress", other, "-o", tmp_path / "x.onnx", "--replay", tmp_path / "p.json")
    assert "made for another graph" in said
    assert snapshot(tmp_path) == before


def test_replay_never_replaces_its_plan(cli: Cli, model: Path, tmp_path: Path) -> None:
    plan = tmp_path / "p.json"
    cli.ok("compress", model, "-o", tmp_path / "o.onnx", "--macs", "0.5", "--plan", plan)
    before = plan.read_bytes()
    assert "replace a file of the input" in cli.error("compress", model, "-o", plan, "--replay", plan)
    assert plan.read_bytes() == before


class TestVerify:
    @pytest.fixture
    def pruned(self, cli: Cli, model: Path, tmp_path: Path) -> Path:
        cli.ok("compress", model, "-o", tmp_path / "o.onnx", "--macs", "0.5", "--plan", tmp_path / "p.json")
        return tmp_path / "o.onnx"

    def test_proof(self, cli: Cli, model: Path, pruned: Path, tmp_path: Path) -> None:
        out = cli.ok("verify", model, pruned, "--plan", tmp_path / "p.json", "--inputs", "5")
        assert out.startswith("proven: pruned equals masked original")
        assert "5 random inputs" in out
        result = cli.json("verify", model, pruned, "--plan", tmp_path / "p.json", "--seed", "4")
        assert (result["kind"], result["inputs"], result["seed"]) == ("verification", 3, 4)

    def test_a_changed_weight_fails_with_the_tensor_named(
        self, cli: Cli, model: Path, pruned: Path, tmp_path: Path
    ) -> None:
        proto = onnx.load(pruned)
        (bias,) = [tensor for tensor in proto.graph.initializer if tensor.name == "b1"]
        bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + 1, "b1"))
        onnx.save(proto, pruned)
        said = cli.error("verify", model, pruned, "--plan", tmp_path / "p.json", code=1)
        assert "differs from the masked original" in said
        assert "first tensor that differs is h" in said.replace("'", "")

    def test_another_plan_fails(self, cli: Cli, model: Path, pruned: Path, tmp_path: Path) -> None:
        plan = json.loads((tmp_path / "p.json").read_text())
        plan["cuts"][0]["removed"][0] = next(i for i in range(HIDDEN) if i not in plan["cuts"][0]["removed"])
        (tmp_path / "p.json").write_text(json.dumps(plan))
        cli.error("verify", model, pruned, "--plan", tmp_path / "p.json", code=1)

    def test_another_interface_is_refused(self, cli: Cli, model: Path, pruned: Path, tmp_path: Path) -> None:
        proto = onnx.load(pruned)
        proto.graph.input[0].name = proto.graph.node[0].input[0] = "z"
        onnx.save(proto, pruned)
        said = cli.error("verify", model, pruned, "--plan", tmp_path / "p.json")
        assert "its inputs are ['z'], the original's ['x']" in said

    @pytest.mark.parametrize("content", ["", "no json", "{}", '{"format": "compressor-plan"}'])
    def test_not_a_plan(self, cli: Cli, model: Path, tmp_path: Path, content: str) -> None:
        (tmp_path / "p.json").write_text(content)
        assert "not a plan" in cli.error("verify", model, model, "--plan", tmp_path / "p.json")
