"""recipe.lock: a run that would be another is refused, and told why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.compressor.cli_models import Cli
from tests.recipe.small import WHOLE, document, network, placed, visible


def locked(tmp_path: Path, cli: Cli) -> tuple[Path, Path]:
    """(recipe, output folder) of a run that wrote a lock."""
    path = placed(tmp_path)
    cli.ok("run", path, "--out", tmp_path / "out")
    return path, tmp_path / "out"


def rewritten(out: Path, change: Callable[[Any], object]) -> None:
    lock = document(out, "recipe.lock")
    change(lock)
    (out / "recipe.lock").write_text(json.dumps(lock), encoding="utf-8")


def test_a_replay_gives_the_same_bytes_anywhere(tmp_path: Path, cli: Cli) -> None:
    path, out = locked(tmp_path, cli)
    shutil.copyfile(out / "recipe.lock", tmp_path / "recipe.lock")
    cli.ok("run", path, "--out", tmp_path / "other", "--locked")
    one, other = visible(out), visible(tmp_path / "other")
    assert one["model.onnx"] == other["model.onnx"]
    assert one["plan.json"] == other["plan.json"]
    assert one["recipe.lock"] == other["recipe.lock"]


def test_without_a_lock_there_is_nothing_to_replay(tmp_path: Path, cli: Cli) -> None:
    assert "there is no recipe.lock" in cli.error("run", placed(tmp_path), "--out", tmp_path / "out", "--locked")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WHOLE.replace("0.6", "0.7"), "prune: settings.macs"),
        (WHOLE + "seed: 5\n", "the seed"),
        ("prune: {macs: 0.6}\nrecover:\n", "stage fold is missing"),
        (WHOLE + "bench: {seconds: 1}\n", "stage bench is new"),
    ],
)
def test_another_recipe_is_refused(tmp_path: Path, cli: Cli, text: str, said: str) -> None:
    path, out = locked(tmp_path, cli)
    before = visible(out)
    path.write_text(f"model: model.onnx\n{text}", encoding="utf-8")
    found = cli.error("run", path, "--out", out, "--locked", code=1)
    assert said in found
    assert "this run differs" in found
    assert visible(out) == before


def test_another_model_is_refused(tmp_path: Path, cli: Cli) -> None:
    path, out = locked(tmp_path, cli)
    (tmp_path / "model.onnx").write_bytes(network(seed=7).SerializeToString())
    assert "the model" in cli.error("run", path, "--out", out, "--locked", code=1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lock: lock["libraries"].update(numpy="1.0"), "(was 1.0)"),
        (lambda lock: lock.update(compressor="0.0.0"), "compressor itself"),
        (lambda lock: lock["hardware"].update(cpu_model="a loom"), "hardware: cpu_model"),
        (lambda lock: lock["stages"]["prune"]["files"].update({"plan.json": "0"}), "prune gives another plan.json"),
    ],
)
def test_other_surroundings_are_refused(tmp_path: Path, cli: Cli, change: Callable[[Any], object], said: str) -> None:
    path, out = locked(tmp_path, cli)
    rewritten(out, change)
    assert said in cli.error("run", path, "--out", out, "--locked", code=1)
    if "gives another" not in said:
        assert said in cli.error("run", path, "--out", out, "--locked", "--dry-run", code=1)


@pytest.mark.parametrize("content", ["", "[]", "{}", "[" * 100_000, '{"version": 1, "seed": 0}', "\x00"])
def test_what_is_no_lock_file_is_refused(tmp_path: Path, cli: Cli, content: str) -> None:
    path = placed(tmp_path)
    (tmp_path / "recipe.lock").write_text(content, encoding="utf-8")
    said = cli.error("run", path, "--out", tmp_path / "out", "--locked")
    assert "recipe.lock" in said
