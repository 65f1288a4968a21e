"""Several processes under torchrun train one model: same weights everywhere, one writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from compressor.errors import UsageError
from compressor.models.demo import demo_model_path
from compressor.training.workers import Workers, choose_device
from tests.compressor.cli_models import environment
from tests.training import digits
from tests.training.small import QUICK, context, network, weights

SCRIPT = """
import sys
import torch
from compressor.training.workers import joined_workers
from compressor.training.checkpoint import weights_digest
from compressor.training.rng import seed_all
from tests.training.small import QUICK, context, network

with joined_workers("cpu") as workers:
    module = network()
    around = context(workers=workers)
    QUICK(module, around)
    losses = [entry["validation_loss"] for entry in around.history]
    seen = workers.summed([1.0, float(workers.rank)], torch.device("cpu"))
    with open(f"{sys.argv[1]}/{workers.rank}.txt", "w") as file:
        print(weights_digest(module.state_dict()), losses, seen, file=file)
"""


def torchrun(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Two processes on this machine."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*launcher, *map(str, arguments)], cwd=folder, env=environment(OMP_NUM_THREADS="1"), capture_output=True,
        text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.mark.slow
def test_two_processes_end_with_the_same_weights(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = torchrun(tmp_path, "script.py", tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = ((tmp_path / f"{rank}.txt").read_text() for rank in (0, 1))
    assert first == second
    assert first.rstrip().endswith("[2.0, 1.0]")
    losses = json.loads(first[first.index("[") : first.index("]") + 1])
    alone = context()
    QUICK(network(), alone)
    # Before training the sum over processes is the one process's value; after it, both have learnt.
    assert losses[0] == pytest.approx(alone.history[0]["validation_loss"], rel=1e-5)
    assert losses[-1] < losses[0] / 2


@pytest.mark.slow
def test_the_command_under_torchrun(tmp_path: Path) -> None:
    own = digits.source(tmp_path)
    model, output = demo_model_path(batchnorm=True), tmp_path / "o.onnx"
    options = ("--macs", "0.5", "--data", f"{own}:train", "--epochs", "2", "--batch-size", "64", "--json")
    done = torchrun(tmp_path, "-m", "compressor", "compress", model, "-o", output, *options)
    assert done.returncode == 0, done.stderr[-3000:]
    result = json.loads(done.stdout)  # one document: the other process is silent
    assert result["training"]["processes"] == 2
    assert result["training"]["history"][-1]["validation_accuracy"] > 0.9
    assert output.is_file()
    assert not list(tmp_path.glob("*.checkpoints"))


def test_alone_nothing_is_exchanged() -> None:
    workers, cpu = Workers(), torch.device("cpu")
    module = network()
    before = weights(module)
    workers.share_state(module)
    assert workers.summed([1.5], cpu) == [1.5]
    assert workers.from_leader(2.5, cpu) == 2.5
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_devices() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(UsageError, match="no device 'nonsense' here"):
        choose_device("nonsense")


def test_cuda_without_a_number_is_this_processs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch, "empty", lambda size, device: device)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert choose_device("cuda", 3) == torch.device("cuda", 3)
    assert chosen == [torch.device("cuda", 3)]
