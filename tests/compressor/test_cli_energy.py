"""Energy on the command line: ``bench`` tells joules or why not, and ``compress --energy`` needs a meter."""

from __future__ import annotations

from pathlib import Path

import pytest

from compressor.backends import energy
from tests.backends.fake_energy import domain, running
from tests.compressor.cli_models import Cli, saved

QUICK = ("--seconds", "0.2", "--processes", "2")


def test_bench_tells_joules_of_a_run(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "ROOT", tmp_path)
    model, counter = saved(tmp_path / "m.onnx"), domain(tmp_path, "intel-rapl:0", "package-0")
    with running(counter):
        found = cli.json("bench", model, model, *QUICK)["energy"]
        out = cli.ok("bench", model, model, *QUICK)
    assert found["meters"] == ["package-0 (all of a processor)"]
    assert min(found["joules"].values()) > 0
    (ratio,) = found["ratios"].values()
    assert ratio["low"] <= ratio["ratio"] <= ratio["high"]
    assert "joules a run" in out
    assert "idle power and other programs included" in " ".join(out.split())


def test_bench_says_why_there_are_none(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "ROOT", tmp_path)
    out = " ".join(cli.ok("bench", saved(tmp_path / "m.onnx"), *QUICK).split())
    assert "energy: not measured; onnxruntime-cpu: its energy cannot be measured: RAPL: the kernel shows no" in out


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (("--energy", "0.5"), 3, "its energy cannot be measured: RAPL"),
        (("--energy", "1.5"), 2, "--energy 1.5 is not between 0 and 1"),
        (("--energy", "0.5", "--latency", "0.5"), 2, "--energy beside --latency"),
        (("--energy", "0.5", "--macs", "0.5"), 2, "exactly one"),
    ],
)
def test_wrong_wishes_end_in_one_line(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], status: int, said: str
) -> None:
    monkeypatch.setattr(energy, "ROOT", tmp_path)
    code, out, err = cli("compress", saved(tmp_path / "m.onnx"), "-o", tmp_path / "o.onnx", *options)
    assert (code, out, err.count("\n")) == (status, "", 1)
    assert said in err
    assert not (tmp_path / "o.onnx").exists()
