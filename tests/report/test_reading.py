"""What reports are made of: every kind of result, files of a run beside it, and nothing else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from compressor.errors import UsageError
from compressor.report.plots.chart import Chart
from compressor.report.report import make_report, report_of
from compressor.report.results import read_results
from tests.compressor.cli_models import mlp, saved
from tests.report.made_up import EVERY, comparison, compression, gate, inspection, run, same


def written(path: Path, document: dict[str, Any]) -> Path:
    """A JSON file."""
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def headline(path: Path) -> dict[str, tuple[str, ...]]:
    """The rows of the first table by their name."""
    table = report_of(read_results([path])).sections[0].blocks[0]
    return {row[0].text: tuple(cell.text for cell in row[1:]) for row in table.cells()}  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", EVERY)
def test_every_kind_makes_a_report(kind: str, tmp_path: Path) -> None:
    found = make_report([written(tmp_path / "r.json", EVERY[kind](same))], tmp_path / "r.html", card=tmp_path / "c.md")
    assert found.sections
    assert (tmp_path / "r.html").read_text(encoding="utf-8").lstrip().startswith("<!doctype html>")
    assert (tmp_path / "c.md").read_text(encoding="utf-8").startswith("---\n")


def test_the_headline_has_ratios_and_intervals(tmp_path: Path) -> None:
    rows = headline(written(tmp_path / "c.json", compression()))
    assert rows["parameters"] == ("100 k", "50 k", "0.500", "", "")
    assert rows["latency"] == ("2 ms", "1.1 ms", "0.550", "0.540 to 0.570", "asked for 0.550")
    assert rows["accuracy"] == ("0.9", "0.8", "0.889", "", "")
    assert headline(written(tmp_path / "b.json", comparison()))["latency, median"][-1] == "faster"


def test_what_is_not_time_is_not_called_latency(tmp_path: Path) -> None:
    frugal = compression()
    frugal["latency"] |= {"of": "energy", "original_j": 2.0, "candidate_j": 1.1, "candidate_ms": 1.5}
    frugal["before"]["peak_bytes"], frugal["after"]["peak_bytes"] = 4000, 1000
    rows = headline(written(tmp_path / "c.json", frugal))
    assert rows["energy of a run"] == ("2 J", "1.1 J", "0.550", "0.540 to 0.570", "asked for 0.550")
    assert rows["latency"] == ("2 ms", "1.5 ms", "0.750", "", "")
    assert rows["peak memory, computed"] == ("4 kB", "1 kB", "0.250", "", "")


def test_sizes_are_those_of_the_final_files_where_they_are_known(tmp_path: Path) -> None:
    rows = headline(written(tmp_path / "run.json", run()))
    assert rows["file"] == ("10 B", "10 B", "1.000", "", "")  # the gate's, not the cut's
    without = run()
    without["stages"] = without["stages"][:1]
    assert "file, as cut" in headline(written(tmp_path / "run.json", without))


def test_files_of_a_run_are_read_where_they_are_still_its_own(tmp_path: Path) -> None:
    parts = {"bench.json": comparison(), "analysis.json": inspection(), "gate.json": gate()}
    for name, document in parts.items():
        written(tmp_path / name, document)
    digests = {name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in parts}
    path = written(tmp_path / "run.json", {**run(), "files": digests})
    found = read_results([path])
    assert (len(found.comparisons), len(found.inspections), len(found.gates), len(found.notes)) == (1, 1, 1, 0)
    written(tmp_path / "bench.json", {**comparison(), "threads": 2})
    changed = read_results([path])
    assert not changed.comparisons
    assert "bench.json of this run" in changed.notes[0]


def test_model_files_give_a_table_of_layers(tmp_path: Path) -> None:
    one, two = saved(tmp_path / "a.onnx"), saved(tmp_path / "b.onnx", mlp(1))
    result = written(tmp_path / "c.json", compression())
    found = make_report([result], tmp_path / "r.html", before=one, after=two)
    (layers,) = [section for section in found.sections if section.title == "Layers"]
    rows = [[cell.text for cell in row] for row in layers.blocks[0].cells()]  # type: ignore[union-attr]
    assert rows[0] == ["first", "Gemm", "16 → 64", "16 → 64", "1024", "1024", "1088", "1088"]
    with pytest.raises(UsageError, match="nothing to compare"):
        make_report([result], tmp_path / "r.html", before=one)


BAD: dict[str, Any] = {
    "another kind": {"kind": "tuning"},
    "no kind": {},
    "a list": [],
    "text for numbers": {**compression(), "before": "big"},
    "infinite": {**comparison(), "noise_floor": 1e400},
    "negative": {**compression(), "spaces": -1},
    "too large for a count": {**compression(), "spaces": 10**400},
    "nothing": {"kind": "pareto", "version": 1, "points": []},
    "zero time": {**comparison(), "samples_ns": {"a.onnx": [[[0]]]}},
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_result_is_one_line(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(BAD[name]), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        make_report([path], tmp_path / "r.html")
    assert len(caught.value.one_line()) < 700
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("text", ["", "[" * 100_000, '{"kind": NaN}', '{"a":' * 200 + "1" + "}" * 200, "\ud800"])
def test_what_is_no_json_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError):
        make_report([path], tmp_path / "r.html")


def test_it_replaces_none_of_what_it_reads_and_writes_both_or_none(tmp_path: Path) -> None:
    path = written(tmp_path / "c.json", compression())
    before = path.read_bytes()
    with pytest.raises(UsageError, match="would replace"):
        make_report([path], path)
    with pytest.raises(UsageError, match="would replace"):
        make_report([path], tmp_path / "r.html", card=tmp_path / "r.html")
    with pytest.raises(Exception, match="cannot be written"):
        make_report([path], tmp_path / "r.html", card=tmp_path / "absent" / "c.md")
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["c.json"]


def test_several_models_are_drawn_against_what_was_measured(tmp_path: Path) -> None:
    paths = []
    for number, of in enumerate(("energy", "energy", "time")):
        one = compression(share=0.3 + number / 5)
        one["latency"]["of"] = of
        paths.append(written(tmp_path / f"{number}.json", one))
    for chosen, axis in ((paths[:2], "share of the original's energy"), (paths, "share of the original's MACs")):
        sections = {section.title: section for section in report_of(read_results(chosen)).sections}
        (chart,) = [block for block in sections["Several models"].blocks if isinstance(block, Chart)]
        assert chart.title == f"accuracy against {axis}"
        assert len(chart.dots) == len(chosen) + 1
