"""``compressor bench``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compressor.backends.base import get_backend
from tests.compressor.cli_models import EXTERNAL, Cli, external, fixed_model, mlp, saved, snapshot

QUICK = ("--processes", "2", "--seconds", "0.02")


@pytest.fixture
def models(cli: Cli, tmp_path: Path) -> tuple[Path, Path]:
    a = saved(tmp_path / "a.onnx")
    cli.ok("compress", a, "-o", tmp_path / "b.onnx", "--macs", "0.5")
    return a, tmp_path / "b.onnx"


def test_table(cli: Cli, models: tuple[Path, Path]) -> None:
    code, out, err = cli("bench", *models, *QUICK)
    assert code == 0
    rows = [line.split() for line in out.split("\n")]
    (baseline,) = [row for row in rows if row[:1] == ["a.onnx"]]
    (other,) = [row for row in rows if row[:1] == ["b.onnx"]]
    assert baseline[-1] == "baseline"
    assert other[-1] in {"faster", "slower", "inconclusive"}
    assert float(other[3]) == pytest.approx(float(other[1]) / float(baseline[1]), rel=0.01)
    assert "onnxruntime-cpu (CPUExecutionProvider), 1 thread, 2 processes" in out
    assert "whole runs, inputs and outputs in host memory" in " ".join(out.split())
    assert all(line.startswith("warning: ") for line in err.splitlines())


def test_json(cli: Cli, models: tuple[Path, Path]) -> None:
    result = cli.json("bench", *models, *QUICK, "--batch", "3")
    assert (result["kind"], result["baseline"], result["threads"], result["processes"]) == (
        "comparison",
        "a.onnx",
        1,
        2,
    )
    assert list(result["timings"]) == ["a.onnx", "b.onnx"]
    assert result["ratios"]["b.onnx"]["low"] <= result["ratios"]["b.onnx"]["high"]
    assert "samples_ns" not in result


def test_samples_on_request(cli: Cli, models: tuple[Path, Path]) -> None:
    result = cli.json("bench", models[0], "--processes", "1", "--seconds", "0.02", "--samples")
    (runs,) = result["samples_ns"]["a.onnx"]
    assert sum(map(len, runs)) == result["timings"]["a.onnx"]["runs"]
    assert result["ratios"] == {}


def test_modes(cli: Cli, models: tuple[Path, Path]) -> None:
    assert "runs a second" in cli.ok("bench", *models, *QUICK, "--mode", "throughput")
    paced = cli.json("bench", models[0], *QUICK, "--rate", "300")
    assert paced["mode"] == {"kind": "paced", "streams": 1, "rate": 300}
    cold = cli.ok("bench", models[0], "--processes", "2", "--mode", "cold-start")
    assert "first run ms" in cold


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--mode", "fast"], "unknown mode 'fast'. Known: latency, cold-start, throughput, paced."),
        (["--mode", "latency", "--rate", "30"], "latency has no rate"),
        (["--mode", "paced"], "paced needs a rate"),
        (["--streams", "3"], "latency has one stream"),
    ],
)
def test_modes_that_make_no_sense(cli: Cli, models: tuple[Path, Path], arguments: list[str], says: str) -> None:
    assert says in cli.error("bench", models[0], *arguments)


def test_the_result_is_kept_with_its_samples(cli: Cli, models: tuple[Path, Path], tmp_path: Path) -> None:
    target = tmp_path / "result.json"
    shown = cli.json("bench", *models, *QUICK, "-o", target)
    kept = json.loads(target.read_text())
    assert (kept["kind"], kept["version"]) == ("comparison", 2)
    assert kept["samples_ns"].keys() > shown["timings"].keys()
    assert kept["detectable"]["b.onnx"] > 0
    assert {key: value for key, value in kept.items() if key != "samples_ns"} == shown


def test_no_model_is_replaced_and_no_result_lost(
    cli: Cli, models: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused before anything is measured."""
    monkeypatch.setattr("compressor.benchmark.bench", lambda *given, **options: pytest.fail("it was measured"))
    (tmp_path / "beside").mkdir()
    outside = external(tmp_path / "beside")
    (tmp_path / "link.onnx").symlink_to(models[1])
    before = snapshot(tmp_path)
    for target in (*models, tmp_path / "link.onnx", outside, outside.with_name(EXTERNAL)):
        assert "would replace" in cli.error("bench", *models, outside, "-o", target)
    assert "its folder does not exist" in cli.error("bench", *models, "-o", tmp_path / "none" / "r.json")
    assert "is a folder" in cli.error("bench", *models, "-o", tmp_path / "beside")
    assert snapshot(tmp_path) == before


def test_sizes_are_used(cli: Cli, tmp_path: Path) -> None:
    model = saved(tmp_path / "a.onnx")
    times = [
        cli.json("bench", model, "--processes", "1", "--seconds", "0.05", *size)["timings"]["a.onnx"]["min_ms"]
        for size in (("--dim", "n=1"), ("--dim", "n=20000"))
    ]
    assert times[1] > 10 * times[0]


@pytest.mark.parametrize(
    ("backend", "provider"), [("openvino-cpu", "OpenVINO CPU"), ("torch-cpu", "torch eager cpu"), ("null", "null")]
)
def test_other_runtimes(cli: Cli, models: tuple[Path, Path], backend: str, provider: str) -> None:
    found = get_backend(backend).probe()
    if not found.usable:
        pytest.skip(f"{found.reason}; {found.install}")
    options = ("--backend", backend, "--processes", "2", "--seconds", "0.02")
    result = cli.json("bench", *models, *options)
    assert (result["backend"], result["provider"], result["threads"]) == (backend, provider, 1)
    runtime = {"backend": backend, "provider": provider, "version": found.version, "device": found.device}
    assert result["fingerprint"]["runtime"] == runtime
    assert result["fingerprint"]["digest"] != cli.json("doctor")["hardware"]["digest"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--dim", "sequence=3"], 2, "no input has a dynamic dimension ['sequence']. Dynamic dimensions: ['n']."),
        (["--backend", "onnxruntime-cpi"], 2, "Did you mean 'onnxruntime-cpu'?"),
    ],
)
def test_wrong_names_list_the_right_ones(cli: Cli, tmp_path: Path, arguments: list[str], code: int, says: str) -> None:
    assert says in cli.error("bench", saved(tmp_path / "a.onnx"), *arguments, code=code)


def test_models_with_other_inputs_cannot_be_compared(cli: Cli, tmp_path: Path) -> None:
    proto = fixed_model()
    proto.graph.input[0].name = proto.graph.node[0].input[0] = "z"
    said = cli.error("bench", saved(tmp_path / "a.onnx", mlp()), saved(tmp_path / "b.onnx", proto), code=3)
    assert "missing ['z'], unknown ['x']" in said


def test_second_model_missing(cli: Cli, tmp_path: Path) -> None:
    assert "none.onnx: no such file" in cli.error("bench", saved(tmp_path / "a.onnx"), tmp_path / "none.onnx")
