"""``compressor gate`` as it is used: exit codes, streams, files."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.compressor.cli_models import EXTERNAL, Cli, external, snapshot
from tests.gate.small import METRIC, never_starved, saved_chain

LATENCY = "latency: {max_ratio: 1.05, backend: 'null', processes: 2, seconds: 0.01}\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A baseline, a slower and larger candidate, and policies."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    never_starved(monkeypatch)
    saved_chain(tmp_path / "a.onnx", 4)
    saved_chain(tmp_path / "b.onnx", 8)
    (tmp_path / "metric.py").write_text(METRIC)
    (tmp_path / "gate.yaml").write_text(f"size: {{max_ratio: 1.0}}\n{LATENCY}")
    (tmp_path / "sure.yaml").write_text("metric: {function: 'metric.py:by_sample', min_value: 0.15}\n")
    return tmp_path


def options(folder: Path, candidate: str = "a.onnx", policy: str = "gate.yaml", baseline: str = "a.onnx") -> list[str]:
    return [
        "gate", "--baseline", str(folder / baseline), "--candidate", str(folder / candidate),
        "--policy", str(folder / policy),
    ]  # fmt: skip


def test_pass_is_0_and_a_table(cli: Cli, files: Path) -> None:
    code, out, _ = cli(*options(files))
    assert code == 0
    assert "pass: every demand is met" in out
    assert any(line.split()[:3] == ["size", "max_ratio", "pass"] for line in out.splitlines())


def test_fail_is_1_with_every_report(cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(files / "summary.md"))
    reports = ["--junit", "j.xml", "--markdown", "m.md", "--benchmark-json", "b.json", "-o", "r.json"]
    placed = [str(files / one) if "." in one else one for one in reports]
    code, out, err = cli(*options(files, "b.onnx"), *placed, "--github")
    assert code == 1
    assert out.count("::error file=") == 2
    assert "GITHUB_STEP_SUMMARY" not in err
    assert (files / "summary.md").read_text() == (files / "m.md").read_text()
    root = ElementTree.fromstring((files / "j.xml").read_text())
    assert root.get("failures") == "2"
    assert [entry["name"] for entry in json.loads((files / "b.json").read_text())][:2] == ["size", "parameters"]
    result = json.loads((files / "r.json").read_text())
    assert (result["kind"], result["version"], result["status"], result["exit_code"]) == ("gate", 1, "fail", 1)
    rounds = result["findings"][1]["details"]["rounds"]
    assert len(rounds) == 2
    assert rounds[0]["comparison"]["samples_ns"]["candidate"]
    # The result is a baseline from now on: b against itself passes.
    assert cli(*options(files, "b.onnx", baseline="r.json"))[0] == 0


def test_json_is_alone_on_stdout(cli: Cli, files: Path) -> None:
    code, out, err = cli(*options(files, "b.onnx"), "--json", "--github")
    assert code == 1
    found = json.loads(out)
    assert found["status"] == "fail"
    assert "samples_ns" not in out
    assert err.count("::error file=") == 2
    assert "warning: GITHUB_STEP_SUMMARY is not set" in err


def test_a_summary_that_cannot_be_written_leaves_the_verdict(
    cli: Cli, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(files))
    code, out, err = cli(*options(files, "b.onnx"), "--github")
    assert code == 1
    assert "warning: no summary:" in err
    assert "::error file=" in out


def test_inconclusive_is_4(cli: Cli, files: Path) -> None:
    code, out, _ = cli(*options(files, policy="sure.yaml"))
    assert code == 4
    assert "inconclusive: it cannot be known" in out


def test_a_runtime_that_is_not_there_is_3(cli: Cli, files: Path) -> None:
    (files / "many.yaml").write_text("latency: {max_ratio: 2, threads: 1000}\n")
    code, out, _ = cli(*options(files, policy="many.yaml"))
    assert code == 3
    assert "1000 threads cannot be timed" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--baseline", "a.onnx"], "--candidate and --policy missing"),
        ([], "--baseline and --candidate and --policy missing"),
        (["--polcy", "x"], "No such option"),
    ],
)
def test_wrong_use_is_2(cli: Cli, arguments: list[str], says: str) -> None:
    assert says in cli.error("gate", *arguments)


def test_wrong_files_are_2_and_leave_nothing(cli: Cli, files: Path) -> None:
    (files / "typo.yaml").write_text("latency: {max_ration: 1.05}\n")
    (files / "text.onnx").write_text("no model")
    before = snapshot(files)
    junit = ["--junit", str(files / "j.xml")]
    assert "did you mean 'max_ratio'?" in cli.error(*options(files, policy="typo.yaml"), *junit)
    assert "no such policy" in cli.error(*options(files, policy="none.yaml"), *junit)
    assert "not an ONNX file" in cli.error(*options(files, "text.onnx"), *junit)
    assert "no such file" in cli.error(*options(files, "none.onnx"), *junit)
    assert "would replace" in cli.error(*options(files), "--junit", files / "a.onnx")
    assert "folder does not exist" in cli.error(*options(files), "--junit", files / "no" / "j.xml")
    assert snapshot(files) == before


def test_weights_beside_a_model_are_not_replaced(cli: Cli, files: Path) -> None:
    (files / "big").mkdir()
    model = external(files / "big")
    before = snapshot(files)
    for baseline, candidate in ((model, files / "a.onnx"), (files / "a.onnx", model)):
        said = cli.error(
            "gate", "--baseline", baseline, "--candidate", candidate, "--policy", files / "gate.yaml",
            "--junit", files / "big" / EXTERNAL,
        )  # fmt: skip
        assert f"{files / 'big' / EXTERNAL}: would replace" in said
    assert snapshot(files) == before


def test_what_a_policy_names_is_not_replaced(cli: Cli, files: Path) -> None:
    (files / "own.py").write_text("def figure(path):\n    return 1.0\n")
    np.savez(files / "in.npz", x=np.zeros((2, 16), np.float32))
    (files / "names.yaml").write_text(
        "metric: {function: 'own.py:figure', min_value: 0.5}\ndrift: {inputs: in.npz, max_abs: 1}\n"
    )
    before = snapshot(files)
    for name in ("own.py", "in.npz"):
        assert "would replace" in cli.error(*options(files, policy="names.yaml"), "--markdown", files / name)
    assert snapshot(files) == before


def test_schema(cli: Cli) -> None:
    assert cli.json("gate", "--schema")["title"] == "compressor gate policy"


def test_names_of_models_are_shown_as_they_are(cli: Cli, files: Path) -> None:
    odd = saved_chain(files / "[red]b[red]<b>&|\x1b[31m.onnx", 8)
    code, out, _ = cli(*options(files, odd.name), "--junit", files / "j.xml", "--markdown", files / "m.md", "--github")
    assert code == 1
    assert "[red]b[red]<b>&|\\x1b[31m.onnx" in out
    assert "\x1b" not in out
    ElementTree.fromstring((files / "j.xml").read_bytes())
    assert "<b>" not in (files / "m.md").read_text()
