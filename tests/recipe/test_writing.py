"""``init`` writes recipes that run as they are."""

from __future__ import annotations

import re
from pathlib import Path

import onnx
import pytest
from onnx import helper

from compressor.recipe.schema import read_recipe
from compressor.recipe.stage import STAGES
from tests.compressor.cli_models import Cli, fixed_model, in_process, mlp, saved, snapshot
from tests.recipe.small import document, network

NET = """
import torch
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 8, 3), nn.Flatten())
"""


def test_a_recipe_tells_what_was_found_and_runs(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "m.onnx").write_bytes(network().SerializeToString())
    (tmp_path / "sub").mkdir()
    cli.ok("init", tmp_path / "m.onnx", "-o", tmp_path / "sub" / "r.yaml")
    text = (tmp_path / "sub" / "r.yaml").read_text(encoding="utf-8")
    assert '"../m.onnx"' in text
    assert "input x [N, 3, 8, 8]" in text
    assert "W[0]: 24 channels" in text
    out = tmp_path / "out"
    cli.ok("run", tmp_path / "sub" / "r.yaml", "--out", out, "--stop-after", "verify")
    report = document(out, "run.json")
    assert [one["stage"] for one in report["stages"]] == ["clean", "analyse", "prune", "recover", "fold", "verify"]


def test_what_it_offers_in_comments_are_settings(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "m.onnx").write_bytes(network().SerializeToString())
    cli.ok("init", tmp_path / "m.onnx", "-o", tmp_path / "r.yaml")
    text = (tmp_path / "r.yaml").read_text(encoding="utf-8")
    block, found = "", dict[str, set[str]]()
    for line in text.splitlines():
        plain = re.sub(r"^(#?) ( *)", lambda m: m[2] if m[1] else m[0], line)
        if head := re.match(r"(?:# )?(\w+):(?: |$)", line):
            block = head[1]
        elif setting := re.match(r" +(?:# )?(\w+): ", plain):
            found.setdefault(block, set()).add(setting[1])
    for name, settings in found.items():
        assert settings <= set(STAGES.get(name).settings.model_fields), name
    assert {"size", "memory", "latency", "batch", "table_minutes", "schedule"} <= found["prune"]
    assert {"patience", "precision", "distill_temperature"} <= found["finetune"]


@pytest.mark.slow
def test_a_module_is_exported_as_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    made = in_process(tmp_path, "init", "net.py:build", "--input", "1x3x8x8", "--dynamic", "batch")
    assert made.returncode == 0, made.stderr
    done = in_process(tmp_path, "run", "recipe.yaml", "--stop-after", "verify")
    assert done.returncode == 0, done.stderr
    original = onnx.load(next((tmp_path / "recipe-run" / ".stages").glob("export-*")) / "original.onnx")
    final = onnx.load(tmp_path / "recipe-run" / "model.onnx")
    assert final.graph.input[0] == original.graph.input[0]
    assert final.ByteSize() < original.ByteSize()
    assert all(node.op_type != "BatchNormalization" for node in final.graph.node)


def test_a_module_needs_its_inputs(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "net.py").write_text(NET, encoding="utf-8")
    assert "the inputs of a module are not known" in cli.error(
        "init", f"{tmp_path / 'net.py'}:build", "-o", tmp_path / "r.yaml"
    )


def test_a_model_without_anything_to_cut_gets_no_pruning(tmp_path: Path, cli: Cli) -> None:
    saved(tmp_path / "m.onnx", fixed_model())
    cli.ok("init", tmp_path / "m.onnx", "-o", tmp_path / "r.yaml")
    recipe = read_recipe(tmp_path / "r.yaml")
    assert not recipe.has("prune")
    assert not recipe.has("recover")


def test_an_existing_recipe_is_not_replaced(tmp_path: Path, cli: Cli) -> None:
    saved(tmp_path / "m.onnx")
    (tmp_path / "r.yaml").write_text("mine", encoding="utf-8")
    before = snapshot(tmp_path)
    assert "exists already" in cli.error("init", tmp_path / "m.onnx", "-o", tmp_path / "r.yaml")
    assert snapshot(tmp_path) == before
    cli.ok("init", tmp_path / "m.onnx", "-o", tmp_path / "r.yaml", "--force")
    assert read_recipe(tmp_path / "r.yaml").has("prune")


@pytest.mark.parametrize("name", ["a\nprune: {macs: 0.9}", "a\u2028b", "# x", "é", "x" * 500, "a\x00b"])
def test_names_in_a_model_stay_inside_comments(tmp_path: Path, cli: Cli, name: str) -> None:
    model = mlp(second=name)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = name
    saved(tmp_path / "m.onnx", model)
    code, _, err = cli("init", tmp_path / "m.onnx", "-o", tmp_path / "r.yaml")
    if code == 0:
        assert read_recipe(tmp_path / "r.yaml").values.model == "m.onnx"
        lines = (tmp_path / "r.yaml").read_text(encoding="utf-8").splitlines()
        assert sum(line.startswith("prune:") for line in lines) == 1
    else:
        assert code == 2, err  # a name that ONNX itself refuses


def test_symbolic_sizes_are_listed_for_the_benchmark(tmp_path: Path, cli: Cli) -> None:
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", "time", 16])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", "time", 8])
    base = mlp()
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w1"], ["h"]), helper.make_node("Relu", ["h"], ["a"]),
         helper.make_node("MatMul", ["a", "w2"], ["y"])],
        "g", [x], [y], [one for one in base.graph.initializer if one.name != "b1"],
    )  # fmt: skip
    saved(tmp_path / "m.onnx", helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    cli.ok("init", tmp_path / "m.onnx", "-o", tmp_path / "r.yaml")
    assert '# dim: {"time": 128}' in (tmp_path / "r.yaml").read_text(encoding="utf-8")
