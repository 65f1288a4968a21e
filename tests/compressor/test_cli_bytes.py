"""``compressor compress --size`` and ``--memory``: shares of bytes, alone and beside a latency."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tests.compressor.cli_models import Cli, saved


def weight_bytes(path: Path) -> int:
    return sum(len(tensor.raw_data) for tensor in onnx.load(path).graph.initializer)


@pytest.mark.parametrize("keep", [0.7, 0.4])
def test_a_share_of_the_weights_bytes_is_kept(cli: Cli, tmp_path: Path, keep: float) -> None:
    model, small, plan = saved(tmp_path / "m.onnx"), tmp_path / "o.onnx", tmp_path / "p.json"
    result = cli.json("compress", model, "-o", small, "--size", str(keep), "--plan", plan)
    whole = cli.json("inspect", model)["params"] * 4
    assert result["before"]["weight_bytes"] == whole
    assert result["after"]["weight_bytes"] == weight_bytes(small)
    assert keep - 0.05 < result["after"]["weight_bytes"] / whole <= keep
    assert (result["made_with"]["metric"], result["before"]["peak_bytes"]) == ("size", None)
    cli.ok("compress", model, "-o", tmp_path / "again.onnx", "--replay", plan)
    assert (tmp_path / "again.onnx").read_bytes() == small.read_bytes()


def test_a_share_of_the_peak_of_memory_is_kept(cli: Cli, tmp_path: Path) -> None:
    model = saved(tmp_path / "m.onnx")
    found = {}
    for batch in (1, 1000):
        options = ("--memory", "0.8", "--batch", str(batch), "--plan", tmp_path / f"p{batch}.json")
        found[batch] = cli.json("compress", model, "-o", tmp_path / f"{batch}.onnx", *options)
        before, after = found[batch]["before"]["peak_bytes"], found[batch]["after"]["peak_bytes"]
        assert 0.6 < after / before <= 0.8
        assert found[batch]["made_with"]["batch"] == batch
    assert found[1000]["before"]["peak_bytes"] > 20 * found[1]["before"]["peak_bytes"]
    replay = ("--replay", tmp_path / "p1000.json")
    again = cli.json("compress", model, "-o", tmp_path / "again.onnx", *replay)
    assert again["after"]["peak_bytes"] == found[1000]["after"]["peak_bytes"]
    assert "peak of memory, computed" in cli.ok("compress", model, "-o", tmp_path / "shown.onnx", *replay)


def test_a_schedule_comes_to_a_size_in_steps(cli: Cli, tmp_path: Path) -> None:
    options = ("--size", "0.5", "--schedule", "constant", "--steps", "2")
    result = cli.json("compress", saved(tmp_path / "m.onnx"), "-o", tmp_path / "o.onnx", *options)
    shares = [step["reached_share"] for step in result["steps"]]
    assert shares[0] == pytest.approx(0.25, abs=0.03)
    assert shares[1] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--size", "1.5"), "--size 1.5 is not between 0 and 1"),
        (("--memory", "0"), "--memory 0 is not between 0 and 1"),
        (("--size", "0.5", "--memory", "0.5"), "exactly one"),
        (("--size", "0.5", "--macs", "0.5", "--latency", "0.5"), "--macs"),
        (("--size", "0.5", "--batch", "2"), "--batch would have no effect without a latency"),
        (("--memory", "0.5", "--threads", "2"), "--threads would have no effect without a latency"),
        (("--memory", "0.5", "--dim", "depth=3"), "depth"),
        (("--memory", "0.0001"), "cannot be reached"),
    ],
)
def test_wrong_wishes_end_in_one_line(cli: Cli, tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    code, out, err = cli("compress", saved(tmp_path / "m.onnx"), "-o", tmp_path / "o.onnx", *options)
    assert (code in (1, 2), out, err.count("\n")) == (True, "", 1)
    assert said in err
    assert not (tmp_path / "o.onnx").exists()
