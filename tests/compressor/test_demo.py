"""The demo: what it measures, what it writes, and how it fails."""

from __future__ import annotations

import dataclasses
import html
import json
import math
import os
import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from compressor import demo as demo_module
from compressor.demo import CALIBRATION, SETTINGS, Demo, run_demo
from compressor.demo_report import report_of, rows
from compressor.models.demo import demo_card, demo_model_path, load_digits
from compressor.structure_proof import verify_structure
from tests.compressor.cli_models import Cli, in_process, snapshot


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, Path]:
    """A demo with few timings, and its folder."""
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    return run_demo(folder, processes=1, min_time_s=0.1), folder


def test_the_original_is_as_its_card_says(finished: tuple[Demo, Path]) -> None:
    demo, folder = finished
    original = demo.cuts[0]
    assert original.correct / demo.pictures == pytest.approx(demo_card()["accuracy"]["test"], abs=1e-4)
    weights = onnx.load(demo_model_path()).graph.initializer
    assert original.counts.params == sum(math.prod(each.dims) for each in weights if each.data_type == each.FLOAT)
    assert (folder / original.file).read_bytes() == demo_model_path().read_bytes()


def test_accuracies_are_those_of_the_files(finished: tuple[Demo, Path]) -> None:
    demo, folder = finished
    pictures, labels = load_digits("test")
    for cut in demo.cuts:
        session = ort.InferenceSession(folder / cut.file, providers=["CPUExecutionProvider"])
        (logits,) = session.run(None, {"image": pictures})
        assert cut.correct == int((np.asarray(logits).argmax(1) == labels).sum())


def test_recovery_keeps_a_useful_accuracy(finished: tuple[Demo, Path]) -> None:
    demo, _ = finished
    half = demo.cuts[2]
    assert half.correct / demo.pictures > 0.95
    assert half.correct_cut is not None
    assert half.correct_cut / demo.pictures < 0.8  # what recovery is for
    assert half.counts.params < 0.5 * demo.cuts[0].counts.params


def test_every_cut_meets_its_target_and_is_proven(finished: tuple[Demo, Path]) -> None:
    demo, folder = finished
    for setting, cut in zip(SETTINGS, demo.cuts[1:], strict=True):
        assert cut.counts.macs <= setting.macs * demo.cuts[0].counts.macs
        assert cut.plan is not None
        assert cut.verification is not None
        assert cut.verification["max_error"] < cut.verification["tolerance"]
        assert verify_structure(folder / demo.cuts[0].file, folder / cut.file, folder / cut.plan)


def test_files_and_result(finished: tuple[Demo, Path]) -> None:
    demo, folder = finished
    files = [name for cut in demo.cuts for name in (cut.file, cut.plan) if name]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*files, CALIBRATION, "report.html", "result.json"])
    assert json.loads((folder / "result.json").read_text()) == json.loads(json.dumps(demo.to_json()))


def test_the_shown_command_gives_the_same_file(
    finished: tuple[Demo, Path], cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo, folder = finished
    monkeypatch.chdir(tmp_path)
    for name in (demo.cuts[0].file, CALIBRATION):
        Path(name).write_bytes((folder / name).read_bytes())
    for cut in demo.cuts[1:]:
        cli.ok(*(cut.command or "").split()[1:])
        assert Path(cut.file).read_bytes() == (folder / cut.file).read_bytes()


def test_report_shows_every_number_and_loads_nothing(finished: tuple[Demo, Path]) -> None:
    demo, folder = finished
    page = (folder / "report.html").read_text()
    cells = [html.unescape(cell) for cell in re.findall(r"<td[^>]*>([^<]*)</td>", page)]
    wanted = [cell for row in rows(demo) for cell in dataclasses.astuple(row)]
    assert cells[: len(wanted)] == wanted
    assert all(html.escape(cut.command) in page for cut in demo.cuts if cut.command)
    assert not re.search(r"\b(src|href|url|import)\b\s*[=(]", page)
    assert 'name="viewport"' in page


def test_report_tells_what_every_report_tells(finished: tuple[Demo, Path]) -> None:
    demo, folder = finished
    made = report_of(demo, folder)
    titles = [section.title for section in made.sections]
    assert titles[0] == "Result"
    assert {"Several models", "Layers", "Latency", "How it was made, and the proof", "Environment"} <= set(titles)
    assert titles[-1] == "How to reproduce it"
    page = made.html()
    assert page.count("<svg") == 2  # accuracy against MACs; every run's time
    assert all(html.escape(version) in page for version in demo.latency.fingerprint["libraries"].values())


def test_report_escapes(finished: tuple[Demo, Path]) -> None:
    demo, folder = finished
    latency = dataclasses.replace(demo.latency, warnings=["<script>alert(1)</script>"])
    page = report_of(dataclasses.replace(demo, latency=latency), folder).html()
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_interrupted_demo_leaves_nothing(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_module, "compare", stop)
    code, out, err = cli("demo", "--out", tmp_path / "a" / "b")
    assert (code, out, err) == (130, "", "interrupted; nothing was written\n")
    assert list(tmp_path.iterdir()) == []


def test_bad_folders(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("mine")
    before = snapshot(tmp_path)
    assert "is a file, not a folder" in cli.error("demo", "--out", tmp_path / "file")
    assert "Not a directory" in cli.error("demo", "--out", tmp_path / "file" / "below", code=3)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    assert "Permission denied" in cli.error("demo", "--out", tmp_path / "new", code=3)
    assert snapshot(tmp_path) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_command(tmp_path: Path) -> None:
    done = in_process(tmp_path, "demo")
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stdout.split("\n") if re.search(r"\d %", line)]) >= len(SETTINGS) + 1
    result = json.loads((tmp_path / "demo-output" / "result.json").read_text())
    assert result["latency"]["processes"] == 5
    assert result["seconds"] < 180
