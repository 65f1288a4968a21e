"""Checkpoints: what fits is loaded exactly, what does not is named, and no file runs code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="checkpoints are PyTorch's")

import torch
from torch import nn

from compressor.checkpoint_file import load_checkpoint
from compressor.errors import EnvironmentProblem, ModelFileError


def network(width: int = 3) -> nn.Module:
    return nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width))


def saved(path: Path, value: Any) -> Path:
    torch.save(value, path)
    return path


class Attack:
    """Unpickling it writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.target, "run"))


def message(module: nn.Module, path: Path) -> str:
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(ModelFileError) as caught:
        load_checkpoint(module, path)
    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    return str(caught.value)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 7},
        lambda state: {"model": {f"module.{name}": value for name, value in state.items()}},
    ],
    ids=["plain", "in a training checkpoint", "of DataParallel"],
)
def test_values_arrive(tmp_path: Path, wrap: Any) -> None:
    source, target = network(), network()
    load_checkpoint(target, saved(tmp_path / "w.pt", wrap(source.state_dict())))
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in target.state_dict().items())


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_pickle_is_refused_and_not_run(tmp_path: Path, wrapped: bool) -> None:
    attack = Attack(tmp_path / "victim")
    path = saved(tmp_path / "w.pt", {"state_dict": attack} if wrapped else attack)
    assert "would run code from the file. Save it with torch.save(model.state_dict(), path)." in message(
        network(), path
    )
    assert not attack.target.exists()
    torch.load(path, weights_only=False)
    assert attack.target.exists(), "the attack would have worked"


def test_a_whole_module_is_refused(tmp_path: Path) -> None:
    assert "would run code" in message(network(), saved(tmp_path / "w.pt", network()))


def test_keys_that_do_not_fit_are_named(tmp_path: Path) -> None:
    state = network().state_dict()
    state["0.weights"] = state.pop("0.weight")
    said = message(network(), saved(tmp_path / "w.pt", state))
    assert "lacks '0.weight', has unknown '0.weights'. '0.weights' may be meant for '0.weight'." in said


def test_many_keys_are_counted(tmp_path: Path) -> None:
    said = message(network(), saved(tmp_path / "w.pt", {"x": torch.zeros(1)}))
    assert "lacks '0.weight', '0.bias', '1.weight' and 4 more" in said


def test_a_shape_that_differs_is_told(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.pt", network(4).state_dict())
    assert "'0.weight' has shape [4, 2], the module's has [3, 2]" in message(network(), path)


@pytest.mark.parametrize(("value", "says"), [([1, 2], "a list"), ({"epoch": 3, "loss": 0.1}, "a dict of 'epoch'")])
def test_what_is_no_state_dict_is_told(tmp_path: Path, value: Any, says: str) -> None:
    assert f"holds {says}" in message(network(), saved(tmp_path / "w.pt", value))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04broken", bytes(range(256))])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.pt"
    path.write_bytes(content)
    assert str(path) in message(network(), path)


def test_a_missing_file(tmp_path: Path) -> None:
    assert "no such file" in message(network(), tmp_path / "absent.pt")


def test_safetensors_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    (tmp_path / "w.safetensors").write_bytes(b"")
    with pytest.raises(EnvironmentProblem, match=r"pip install 'compressor\[safetensors\]'"):
        load_checkpoint(network(), tmp_path / "w.safetensors")


def test_safetensors_values_arrive_and_damage_is_told(tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch", reason="safetensors is optional")
    source, target, path = network(), network(), tmp_path / "w.safetensors"
    safetensors.save_file(source.state_dict(), path)
    load_checkpoint(target, path)
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in target.state_dict().items())
    path.write_bytes(path.read_bytes()[:-3])
    assert "cannot be read" in message(network(), path)
