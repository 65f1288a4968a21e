"""A schedule that was cut short goes on after its last finished step, and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import compressor
from compressor.errors import UsageError
from tests.compressor.cli_models import command, environment
from tests.training import digits
from tests.training.test_schedules import KEEP, TRAINER, wish


class Killed(BaseException):
    """As good as a kill."""


@pytest.mark.parametrize(("step", "batch"), [(1, 5), (2, 3), (3, 1)])
def test_killed_and_resumed_gives_the_same_bytes(tmp_path: Path, step: int, batch: int) -> None:
    def die(stage: str, done: int, total: int) -> None:
        if stage == f"fine-tune, step {step} of 3" and done == batch:
            raise Killed

    common: dict[str, Any] = {"params": KEEP, "schedule": "geometric", "steps": 3}
    folder, output, whole = tmp_path / "work", tmp_path / "o.onnx", tmp_path / "whole.onnx"
    with pytest.raises(Killed):
        compressor.compress(digits.model(), output, **common, finetune=wish(folder=folder), progress=die)
    assert not output.exists()
    assert len(list(folder.glob("step-*.onnx"))) == step - 1
    stages: list[str] = []
    resumed = compressor.compress(
        digits.model(), output, **common, finetune=wish(folder=folder), plan_path=tmp_path / "1.json",
        progress=lambda stage, done, total: stages.append(stage),
    )  # fmt: skip
    assert {stage for stage in stages if "step" in stage} == {f"fine-tune, step {n} of 3" for n in range(step, 4)}
    uninterrupted = compressor.compress(digits.model(), whole, **common, finetune=wish(), plan_path=tmp_path / "2.json")
    assert output.read_bytes() == whole.read_bytes()
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()
    told = [[(s["step"], s["reached_share"], s["validation"]) for s in r.steps] for r in (resumed, uninterrupted)]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"params": 0.4}, "other choice, schedule"),
        ({"seed": 4}, "other choice, seed"),
        ({"criterion": "l2"}, "other choice"),
        ({"finetune": replace(TRAINER, epochs=2)}, "other settings"),
    ],
)
def test_steps_of_another_run_are_refused(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    folder = tmp_path / "work"
    common: dict[str, Any] = {"params": KEEP, "schedule": "geometric", "steps": 2}
    compressor.compress(digits.model(), tmp_path / "o.onnx", **common, finetune=wish(folder=folder))
    trainer = change.pop("finetune", TRAINER)
    with pytest.raises(UsageError, match=rf"step-01\.json: belongs to another run: {said}"):
        compressor.compress(digits.model(), tmp_path / "o.onnx", **{**common, **change}, finetune=wish(trainer, folder))


def test_a_damaged_step_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    common: dict[str, Any] = {"params": KEEP, "schedule": "geometric", "steps": 2, "finetune": wish(folder=folder)}
    compressor.compress(digits.model(), tmp_path / "o.onnx", **common)
    path = folder / "step-01.json"
    tree = json.loads(path.read_text())
    for content in ("{", "[]", json.dumps({**tree, "step": {}})):
        path.write_text(content)
        with pytest.raises(UsageError, match="cannot be read as a step"):
            compressor.compress(digits.model(), tmp_path / "o.onnx", **common)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_command_goes_on_in_its_schedule(tmp_path: Path, number: signal.Signals) -> None:
    options = ("--data", f"{digits.source(tmp_path)}:train", "--epochs", "4", "--batch-size", "32", "--params", "0.4",
               "--schedule", "constant", "--steps", "3")  # fmt: skip
    folder = tmp_path / "stopped.onnx.checkpoints"
    run = subprocess.Popen(
        command("compress", digits.model(), "-o", tmp_path / "stopped.onnx", *options),
        env=environment(OMP_NUM_THREADS="1"), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (folder / "step-02.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(run.pid, number)
    run.communicate(timeout=60)
    assert run.returncode == (130 if number == signal.SIGINT else -number)
    assert {"step-01.onnx", "step-01.json"} <= {path.name for path in folder.iterdir()}
    for name in ("stopped", "whole"):
        done = subprocess.run(
            command("compress", digits.model(), "-o", tmp_path / f"{name}.onnx", *options),
            env=environment(OMP_NUM_THREADS="1"), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "stopped.onnx").read_bytes() == (tmp_path / "whole.onnx").read_bytes()
    assert not folder.exists()
