"""Bad input: one line that says what to do, an exit code, no partial file, the input as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tests.compressor.cli_models import EXTERNAL, Cli, external, fixed_model, mlp, saved, snapshot


def with_location(folder: Path, location: str) -> Path:
    """The same, pointing somewhere else."""
    path = external(folder)
    proto = onnx.load(path, load_external_data=False)
    for tensor in proto.graph.initializer:
        next(entry for entry in tensor.external_data if entry.key == "location").value = location
    path.write_bytes(proto.SerializeToString())
    return path


def truncated(folder: Path) -> Path:
    path = saved(folder / "m.onnx")
    path.write_bytes(path.read_bytes()[:-500])
    return path


def text(folder: Path) -> Path:
    path = folder / "m.onnx"
    path.write_text("Dear reader,\nthis is a letter.\n")
    return path


def empty(folder: Path) -> Path:
    path = folder / "m.onnx"
    path.touch()
    return path


def missing_data(folder: Path) -> Path:
    path = external(folder)
    (folder / EXTERNAL).unlink()
    return path


def data_is_folder(folder: Path) -> Path:
    path = missing_data(folder)
    (folder / EXTERNAL).mkdir()
    return path


def short_data(folder: Path) -> Path:
    path = external(folder)
    (folder / EXTERNAL).write_bytes((folder / EXTERNAL).read_bytes()[:100])
    return path


def linked_outside(folder: Path) -> Path:
    inner = folder / "inner"
    inner.mkdir()
    path = external(inner)
    (inner / EXTERNAL).rename(folder / "secret.bin")
    (inner / EXTERNAL).symlink_to(folder / "secret.bin")
    return path


def nan_weights(folder: Path) -> Path:
    proto = mlp()
    values = numpy_helper.to_array(proto.graph.initializer[0]).copy()
    values[3, 5] = np.nan
    proto.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, "w1"))
    return saved(folder / "m.onnx", proto)


BAD_MODELS: list[tuple[Callable[[Path], Path], int, str, str]] = [
    (truncated, 2, "m.onnx: not an ONNX file", "again"),
    (text, 2, "m.onnx: not an ONNX file: ", "."),
    (empty, 2, "m.onnx: the file is empty", "again"),
    (lambda folder: folder, 2, "is a folder, not a model file", "Give the path of the .onnx file in it"),
    (lambda folder: folder / "none.onnx", 2, "none.onnx: no such file", "Check the path"),
    (missing_data, 2, f"{EXTERNAL}, which does not exist", "Put the data file"),
    (data_is_folder, 2, f"{EXTERNAL}, which is not a file", "Put the data file"),
    (short_data, 2, "which has 100", "copy it again"),
    (lambda folder: with_location(folder, "../secret.bin"), 2, "not inside the model's folder", "Move the data file"),
    (lambda folder: with_location(folder, "/etc/passwd"), 2, "not inside the model's folder", "Move the data file"),
    (linked_outside, 2, "not inside the model's folder", "Move the data file"),
    (nan_weights, 2, "w1: the initializer holds NaN", "Repair the weights"),
    (lambda folder: saved(folder / "m.onnx", fixed_model()), 1, "no channel can be removed", "compressor inspect"),
]


@pytest.mark.parametrize(("make", "code", "says", "fix"), BAD_MODELS)
def test_bad_model(cli: Cli, tmp_path: Path, make: Callable[[Path], Path], code: int, says: str, fix: str) -> None:
    model = make(tmp_path)
    before = snapshot(tmp_path)
    output, plan = tmp_path / "out.onnx", tmp_path / "plan.json"
    said = cli.error("compress", model, "-o", output, "--macs", "0.5", "--plan", plan, code=code)
    assert says in said
    assert fix in said
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("make", [make for make, _, says, _ in BAD_MODELS if "NaN" not in says][:11])
@pytest.mark.parametrize("command", ["inspect", "bench", "verify"])
def test_bad_model_in_other_commands(cli: Cli, tmp_path: Path, make: Callable[[Path], Path], command: str) -> None:
    good, plan = saved(tmp_path / "good.onnx"), tmp_path / "plan.json"
    cli.ok("compress", good, "-o", tmp_path / "small.onnx", "--macs", "0.5", "--plan", plan)
    model = make(tmp_path)
    before = snapshot(tmp_path)
    if command == "verify":
        cli.error("verify", good, model, "--plan", plan)
        cli.error("verify", model, good, "--plan", plan)
    else:
        cli.error(command, model)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("metric", ["params", "macs", "channels"])
@pytest.mark.parametrize("ratio", ["0", "1", "-0.1", "1.5", "nan", "inf"])
def test_bad_ratio(cli: Cli, tmp_path: Path, metric: str, ratio: str) -> None:
    model = saved(tmp_path / "m.onnx")
    before = snapshot(tmp_path)
    said = cli.error("compress", model, "-o", tmp_path / "o.onnx", f"--{metric}", ratio)
    assert f"--{metric} {ratio} is not between 0 and 1. Give the share to keep" in said
    assert snapshot(tmp_path) == before


def test_no_or_two_targets(cli: Cli, tmp_path: Path) -> None:
    model = saved(tmp_path / "m.onnx")
    for targets in ((), ("--macs", "0.5", "--params", "0.5")):
        assert "exactly one of" in cli.error("compress", model, "-o", tmp_path / "o.onnx", *targets)


def test_unreachable_target(cli: Cli, tmp_path: Path) -> None:
    model = saved(tmp_path / "m.onnx")
    said = cli.error("compress", model, "-o", tmp_path / "o.onnx", "--params", "0.001", code=1)
    assert "--params 0.001 cannot be reached: 0.016 stays" in said


@pytest.mark.parametrize("spelling", ["m.onnx", "./m.onnx", "link.onnx", "hard.onnx"])
@pytest.mark.parametrize("option", ["-o", "--plan"])
def test_output_is_the_input(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    model = saved(tmp_path / "m.onnx")
    Path("link.onnx").symlink_to("m.onnx")
    Path("hard.onnx").hardlink_to("m.onnx")
    before = snapshot(tmp_path)
    paths = {"-o": "o.onnx", "--plan": "p.json", option: spelling}
    said = cli.error("compress", model, "--macs", "0.5", *(part for pair in paths.items() for part in pair))
    assert "is the input file. Choose another path." in said
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    ("output", "plan", "says"),
    [
        (EXTERNAL, "p.json", "the output would replace a file of the input"),
        ("o.onnx", EXTERNAL, "the plan would replace a file of the input"),
        ("own.onnx", "p.json", "the output's weights would replace a file of the input"),
        ("o.onnx", "o.onnx.data", "where the output's weights may go"),
        ("o.onnx", "o.onnx", "the plan path is the output path"),
    ],
)
def test_output_would_replace_the_inputs_weights(cli: Cli, tmp_path: Path, output: str, plan: str, says: str) -> None:
    model = external(tmp_path)
    (tmp_path / EXTERNAL).rename(tmp_path / "own.onnx.data")
    (tmp_path / EXTERNAL).symlink_to("own.onnx.data")
    before = snapshot(tmp_path)
    assert says in cli.error("compress", model, "--macs", "0.5", "-o", tmp_path / output, "--plan", tmp_path / plan)
    assert snapshot(tmp_path) == before


def test_bad_output_paths(cli: Cli, tmp_path: Path) -> None:
    model = saved(tmp_path / "m.onnx")
    before = snapshot(tmp_path)
    for output, says in (
        (tmp_path, "the output path is a folder"),
        (tmp_path / "none" / "o.onnx", "the output folder does not exist"),
        (model / "o.onnx", "the output folder does not exist"),
        (Path(os.devnull), "the output path is no regular file"),
        (tmp_path / ("o" * 300), "cannot be written: File name too long"),
    ):
        assert says in cli.error("compress", model, "-o", output, "--macs", "0.5")
    assert snapshot(tmp_path) == before
