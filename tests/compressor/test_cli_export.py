"""``compressor export``."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

pytest.importorskip("torch", reason="the exporter exports PyTorch modules")
pytest.importorskip("onnxscript", reason="the exporter needs onnxscript")

import torch

from compressor.models.registry import build
from tests.compressor.cli_models import Cli

NETWORKS = Path(__file__).with_name("export_networks.py")
TRACED = ("--exporter", "torchscript")  # the quicker one


def test_a_file_s_factory(cli: Cli, tmp_path: Path) -> None:
    out = cli.ok("export", f"{NETWORKS}:digits", "-o", tmp_path / "d.onnx", "--input", "2x1x8x8", "--dynamic", "batch")
    assert "equal to the module in ONNX Runtime at batch 2, batch 1, batch 5" in out
    rows = [line.split()[0] for line in out.splitlines() if str(tmp_path) in line]
    assert rows == ["training", "deploy"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["d.onnx", "d.train.onnx"]


def test_a_class_its_arguments_named_inputs_and_axes(cli: Cli, tmp_path: Path) -> None:
    result = cli.json(
        "export", f"{NETWORKS}:Positions", "-o", tmp_path / "p.onnx", "--input", "tokens=2x5:int64",
        "--arg", "width=12", "--dynamic", "tokens:0=batch", "--dynamic", "tokens:1=length",
        "--form", "training", "--opset", "18", *TRACED,
    )  # fmt: skip
    assert (result["kind"], result["opset"], result["exporter"]) == ("export", 18, "torchscript")
    assert result["dynamic"] == {"tokens": {"0": "batch", "1": "length"}}
    (form,) = result["forms"]
    assert form["max_error"] == result["max_error"] < form["tolerance"]
    (tokens,) = onnx.load(tmp_path / "p.onnx").graph.input
    assert [dim.dim_param for dim in tokens.type.tensor_type.shape.dim] == ["batch", "length"]
    assert result["parameters"] == 9 * 12 + 8 * 12 + 13 * 4 + 6


def test_the_file_can_be_compressed(cli: Cli, tmp_path: Path) -> None:
    cli.ok(
        "export", f"{NETWORKS}:digits", "-o", tmp_path / "d.onnx", "--input", "2x1x8x8", "--dynamic", "batch", *TRACED
    )
    for name in ("d.onnx", "d.train.onnx"):
        cli.ok("compress", tmp_path / name, "-o", tmp_path / "small.onnx", "--macs", "0.5")


def test_a_checkpoint(cli: Cli, tmp_path: Path) -> None:
    torch.save(build("digits_cnn", seed=3).state_dict(), tmp_path / "w.pt")
    command = ("export", f"{NETWORKS}:digits", "-o", tmp_path / "d.onnx", "--input", "2x1x8x8", *TRACED, "--checkpoint")
    cli.ok(*command, tmp_path / "w.pt")
    torch.save({"stem.0.weight": torch.zeros(1)}, tmp_path / "w.pt")
    assert "does not fit the module: lacks 'stem.1.weight'" in cli.error(*command, tmp_path / "w.pt", code=2)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["digit", "--input", "2x1x8x8"], "has no function 'digit'. Did you mean 'digits'?"),
        (["failing", "--input", "1"], "OSError: no weights here"),
        (["number", "--input", "1"], "returned a int, not a torch.nn.Module"),
        (["digits", "--input", "2x3x8x8"], "does not run on the example inputs"),
        (["digits", "--input", "2x1x8"], "does not run on the example inputs"),
        (["digits", "--input", "2xhx8"], "is not [NAME=]SHAPE[:TYPE]"),
        (["digits", "--input", "2x1x8x8:float8"], "unknown type 'float8'"),
        (["digits", "--input", "y=2x1x8x8"], "given ['y']"),
        (["digits", "--input", "a=1", "--input", "2"], "give every input its own name, or none"),
        (["digits", "--input", "2x1x8x8", "--dynamic", "x:batch"], "names no axis"),
        (["digits", "--input", "2x1x8x8", "--dynamic", "y:0=batch"], "'y', which is no input"),
        (["digits", "--input", "2x1x8x8", "--arg", "width=3"], "unexpected keyword argument 'width'"),
        (["digits", "--input", "2x1x8x8", "--arg", "width"], "is not KEY=VALUE"),
        (["digits", "--input", "2x1x8x8", "--checkpoint", "absent.pt"], "absent.pt: no such file"),
        (["digits"], "Missing option '--input'"),
    ],
)
def test_wrong_use_is_one_line(cli: Cli, tmp_path: Path, arguments: list[str], says: str) -> None:
    name, *options = arguments
    assert says in cli.error("export", f"{NETWORKS}:{name}", "-o", tmp_path / "n.onnx", *options, code=2)
    assert list(tmp_path.iterdir()) == []
