"""Recipes that train: stage by stage, or in the steps of a schedule; and what is left after a kill."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest

import compressor
from tests.compressor.cli_models import command, environment
from tests.recipe.small import document, visible

STAGED = """
model: demo
data: demo
samples: 128
prune: {macs: 0.6, criterion: l2}
recover:
finetune: {epochs: 1, distill: true, distill_features: 0.1}
fold:
"""
STEPS = """
model: demo
data: demo
samples: 128
prune: {params: 0.5, schedule: geometric, steps: 2}
finetune: {epochs: 1}
fold:
"""
SAME = ("model.onnx", "plan.json", "recipe.lock", "verification.json")

pytestmark = pytest.mark.slow


def written(folder: Path, text: str) -> Path:
    path = folder / "r.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_cut_recovered_and_trained_in_stages(tmp_path: Path) -> None:
    found = compressor.run_recipe(written(tmp_path, STAGED), tmp_path / "out")
    stages = {stage["stage"]: stage for stage in found.report["stages"]}
    assert list(stages) == ["clean", "analyse", "prune", "recover", "finetune", "fold", "verify"]
    assert stages["recover"]["record"]["output_error_after"] < stages["recover"]["record"]["output_error_before"]
    history = stages["finetune"]["record"]["history"]
    assert max(entry.get("validation_accuracy") or 0 for entry in history) > 0.9
    assert stages["verify"]["record"]["nodes_of_the_plan"] > 20
    assert stages["fold"]["passes"][0]["changed"]


def test_a_schedule_trains_after_every_step(tmp_path: Path) -> None:
    found = compressor.run_recipe(written(tmp_path, STEPS), tmp_path / "out")
    stages = {stage["stage"]: stage for stage in found.report["stages"]}
    assert list(stages) == ["clean", "analyse", "prune", "fold", "verify"]
    assert [step["epochs"] for step in stages["prune"]["record"]["steps"]] == [1, 1]


@pytest.mark.parametrize("text", [STAGED, STEPS])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    start = time.perf_counter()
    subprocess.run(
        command("run", path, "--out", tmp_path / "whole"), env=environment(), check=True, capture_output=True
    )
    seconds = time.perf_counter() - start
    out = tmp_path / "killed"
    for share in (0.5, 0.6, 0.8):
        process = subprocess.Popen(command("run", path, "--out", out), env=environment(), stderr=subprocess.PIPE)
        time.sleep(seconds * share)
        process.kill()
        process.communicate()
        assert set(visible(out)) <= set(visible(tmp_path / "whole"))
    subprocess.run(command("run", path, "--out", out), env=environment(), check=True, capture_output=True)
    one, other = visible(tmp_path / "whole"), visible(out)
    assert {name: one[name] for name in SAME} == {name: other[name] for name in SAME}
    assert not list(out.glob(".stages/*.work"))
    assert not list(out.glob(".stages/.new-*"))


def test_ctrl_c_ends_with_130_and_says_how_to_go_on(tmp_path: Path) -> None:
    path, out = written(tmp_path, STAGED), tmp_path / "out"
    process = subprocess.Popen(
        command("run", path, "--out", out), env=environment(), stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    while not list(out.glob(".stages/prune-*/stage.json")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "the same command goes on after stage" in said
    assert visible(out) == {}
    found = compressor.run_recipe(path, out)
    assert document(out, "run.json") == found.report
