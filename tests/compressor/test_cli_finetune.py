"""``compressor finetune`` and the training options of ``compressor compress``."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from compressor.cli_training import forget_checkpoints
from compressor.models.demo import demo_model_path
from compressor.training_options import default_checkpoints
from tests.compressor.cli_models import Cli, command, environment, saved, snapshot
from tests.training import digits

MODEL = demo_model_path(batchnorm=True)
QUICK = ("--epochs", "1", "--batch-size", "256")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Functions of the user's."""
    return digits.source(tmp_path)


def test_prune_train_and_figures_from_one_line(cli: Cli, own: Path, tmp_path: Path) -> None:
    options = ("--data", f"{own}:train", "--eval", f"{own}:size", "--optimizer", "adamw", "--lr", "0.01", *QUICK)
    before = {path.name for path in tmp_path.iterdir()}
    result = cli.json("compress", MODEL, "-o", tmp_path / "o.onnx", "--macs", "0.5", *options, "--seed", "3")
    training = result["training"]
    assert (training["function"], training["data"], training["seed"]) == ("Trainer", f"{own}:train", 3)
    wanted = {"optimizer": "adamw", "learning_rate": 0.01, "epochs": 1, "batch_size": 256}
    assert wanted.items() <= training["settings"].items()
    assert [entry["epoch"] for entry in training["history"]] == [0, 1]
    assert result["evaluation"]["original"] == {"value": MODEL.stat().st_size}
    assert result["evaluation"]["final"] == {"value": (tmp_path / "o.onnx").stat().st_size}
    assert "torch" in result["environment"]["libraries"]
    assert {path.name for path in tmp_path.iterdir()} - before <= {"o.onnx", "__pycache__"}


@pytest.mark.parametrize("compress", [False, True])
def test_precision_temperature_and_zeros(cli: Cli, own: Path, tmp_path: Path, compress: bool) -> None:
    how = ("compress", MODEL, "--macs", "0.5") if compress else ("finetune", MODEL)
    options = ("--data", f"{own}:train", "--distill", "--distill-temperature", "2", "--precision", "bfloat16", *QUICK)
    result = cli.json(*how, "-o", tmp_path / "o.onnx", *options, "--keep-zeros")
    settings = result["training"]["settings"]
    assert settings["precision"] == "bfloat16"
    assert (settings["mixture"]["temperature"], settings["mixture"]["distill"]) == (2.0, 0.5)
    wrong = ("--data", f"{own}:train", "-o", tmp_path / "p.onnx")
    assert "--distill-temperature would have no effect" in cli.error(*how, *wrong, "--distill-temperature", "2")
    assert "unknown precision 'half'" in cli.error(*how, *wrong, "--precision", "half")
    alone = cli.error(*how, "-o", tmp_path / "p.onnx", "--finetune", f"{own}:halve", "--precision", "bfloat16")
    assert "--precision would have no effect with --finetune" in alone


def test_checkpoints_are_forgotten_with_those_of_a_curves_points(tmp_path: Path) -> None:
    folder = default_checkpoints(tmp_path / "o.onnx")
    for place in (folder, folder / "0.80", folder / "0.50"):
        place.mkdir(exist_ok=True)
        for name in ("step-01.pt", "step-01.onnx", "step-01.json", "step-01.choice.json"):
            (place / name).write_text("kept")
    (folder / "0.50" / "notes.txt").write_text("the user's")
    forget_checkpoints(tmp_path / "o.onnx")
    assert list(snapshot(tmp_path)) == ["o.onnx.checkpoints/0.50/notes.txt"]
    (folder / "0.50" / "notes.txt").unlink()
    forget_checkpoints(tmp_path / "o.onnx")
    assert not folder.exists()


def test_tables_show_every_epoch(cli: Cli, own: Path, tmp_path: Path) -> None:
    out = cli.ok("finetune", MODEL, "-o", tmp_path / "o.onnx", "--data", f"{own}:train", *QUICK)
    assert "fine-tuned by Trainer on cpu, 114,826 of 115,658 weights trained" in out
    rows = [line.split() for line in out.split("\n") if line.startswith((" 0", " 1"))]
    assert [row[0] for row in rows] == ["0", "1"]
    assert out.endswith(f"model: {tmp_path / 'o.onnx'}\n")


def test_own_training(cli: Cli, own: Path, tmp_path: Path) -> None:
    result = cli.json("compress", MODEL, "-o", tmp_path / "o.onnx", "--macs", "0.5", "--finetune", f"{own}:halve")
    assert result["training"]["function"] == f"{own}:halve"
    assert result["training"]["history"] == []


def test_a_teacher_of_ones_own(cli: Cli, own: Path, tmp_path: Path) -> None:
    cli.ok("compress", MODEL, "-o", tmp_path / "small.onnx", "--macs", "0.5")
    options = ("--data", f"{own}:train", "--teacher", MODEL, "--distill", "--distill-share", "0.9", *QUICK)
    result = cli.json("finetune", tmp_path / "small.onnx", "-o", tmp_path / "o.onnx", *options)
    assert result["training"]["settings"]["mixture"]["distill"] == 0.9
    first, last = result["training"]["history"]
    assert last["train_loss"] is not None
    assert first["validation_loss"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "there is nothing to train with"),
        (("--epochs", "3"), "--epochs would have no effect without --data or --finetune"),
        (("--data", "{}:train", "--finetune", "{}:halve", "--lr", "1"), "--lr would have no effect with --finetune"),
        (("--data", "{}:train", "--epochs", "0"), "epochs is 0"),
        (("--data", "{}:train", "--optimizer", "lion"), "unknown optimizer 'lion'"),
        (("--data", "{}:train", "--device", "cuda:99"), "no device 'cuda:99' here"),
        (("--data", "{}:nothing"), "has no function 'nothing'"),
        (("--finetune", "{}:fail"), "raised (own_digits.py:11): ValueError: no such luck"),
        (("--finetune", "{}:ruin"), "values in"),
        (("--finetune", "{}:halve", "--eval", "{}:words"), "returned str"),
    ],
)
def test_one_line_says_what_is_wrong(
    cli: Cli, own: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    before = snapshot(tmp_path)
    line = cli.error("finetune", MODEL, "-o", tmp_path / "o.onnx", *(part.format(own) for part in arguments))
    assert said in line
    left = {name: data for name, data in snapshot(tmp_path).items() if "__pycache__" not in name}
    assert left == before


def test_the_input_is_never_the_output(cli: Cli, own: Path, tmp_path: Path) -> None:
    model = saved(tmp_path / "m.onnx")
    assert "is the input file" in cli.error("finetune", model, "-o", model, "--finetune", f"{own}:halve")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_command_goes_on_where_it_was(own: Path, tmp_path: Path, number: signal.Signals) -> None:
    options = ("--data", f"{own}:train", "--epochs", "12", "--batch-size", "32", "--macs", "0.5")
    folder = tmp_path / "stopped.onnx.checkpoints"
    run = subprocess.Popen(
        command("compress", MODEL, "-o", tmp_path / "stopped.onnx", *options),
        env=environment(OMP_NUM_THREADS="1"), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (folder / "step-01.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(1.5)  # some epochs
    os.kill(run.pid, number)
    _, said = run.communicate(timeout=60)
    assert run.returncode == (130 if number == signal.SIGINT else -number)
    if number == signal.SIGINT:
        assert f"{folder} (the same command goes on from there)" in said
    assert not (tmp_path / "stopped.onnx").exists()
    for name in ("stopped", "whole"):
        done = subprocess.run(
            command("compress", MODEL, "-o", tmp_path / f"{name}.onnx", *options),
            env=environment(OMP_NUM_THREADS="1"), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "stopped.onnx").read_bytes() == (tmp_path / "whole.onnx").read_bytes()
    assert not folder.exists()
