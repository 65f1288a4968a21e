"""What CI systems read: right numbers, and no name or message that becomes markup, a command or a broken document."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from compressor.errors import EnvironmentProblem, ModelFileError, UsageError
from compressor.gate.finding import Finding, gravest
from compressor.gate.reports import files
from compressor.gate.reports.annotations import github_annotations
from compressor.gate.reports.benchmark_json import benchmark_json
from compressor.gate.reports.files import FORMS, append_summary, check_targets, write_reports
from compressor.gate.reports.junit import junit
from compressor.gate.reports.markdown import markdown
from compressor.plain_text import plain
from tests.gate.small import report_of

PASS = Finding("size", "max_bytes", "pass", "fine", "bytes", candidate=1000, value=1000, limit=2000)
FAIL = Finding(
    "latency", "max_ratio (null, 1 thread, latency)", "fail", "ratio 1.2 is above 1.05", "ms", 10.0, 12.0, 1.2, 1.05,
    1.18, 1.22,
)  # fmt: skip
UNSURE = Finding("metric", "max_loss", "inconclusive", "cannot tell")
HERE = Finding("runtime", "openvino-cpu", "environment", "not installed")

HOSTILE = (
    "</testcase><script>alert(1)</script>",
    "]]> & <!-- ' \" -->",
    "a|b\n| c | d |",
    "[click](javascript:alert(1)) ![x](y) `code` **bold** @team #1 ~~x~~ $x$ :tada:",
    "\x1b[31mred\x00\x08\r\n::error::fake\n::set-output name=x::y",
    "# heading\n- list\n1. one",
    "\u202eright to left\u2028line\ufffe\ud800",
    "100% of 5,000: done",
    "\\` \\| \\\\",
)


def hostile(text: str) -> Finding:
    return Finding(text, text, "fail", text, text)


@pytest.mark.parametrize(
    ("findings", "status", "code"),
    [
        ([], "pass", 0),
        ([PASS], "pass", 0),
        ([PASS, UNSURE], "inconclusive", 4),
        ([PASS, UNSURE, HERE], "environment", 3),
        ([PASS, UNSURE, HERE, FAIL], "fail", 1),
    ],
)
def test_what_is_certain_comes_first(findings: list[Finding], status: str, code: int) -> None:
    assert gravest(findings) == status
    assert report_of(*findings).exit_code == code


def test_junit_counts_and_kinds() -> None:
    root = ElementTree.fromstring(junit(report_of(PASS, FAIL, UNSURE, HERE)))
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip
    kinds = [case[0].tag for case in root.iter("testcase")]
    assert kinds == ["system-out", "failure", "skipped", "error"]
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.get("message") == failure.text == "ratio 1.2 is above 1.05"


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_text_in_junit(text: str) -> None:
    document = junit(report_of(hostile(text), candidate=text, baseline=text))
    root = ElementTree.fromstring(document.encode())
    assert {element.tag for element in root.iter()} == {
        "testsuites", "testsuite", "properties", "property", "testcase", "failure",
    }  # fmt: skip
    assert len(list(root.iter("testcase"))) == 1
    assert all(ord(c) >= 32 or c in "\n" for c in document)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_text_in_markdown(text: str) -> None:
    found = markdown(report_of(hostile(text), candidate=text, baseline=text))
    assert "<" not in found
    assert all(c.isprintable() or c == "\n" for c in found)
    lines = found.splitlines()
    (row,) = [line for line in lines if line.startswith("| ❌")]
    cells = re.findall(r"(?:\\.|[^|\\])+", row)
    assert len(cells) == 5  # none added by the name
    for mark in "[]`*_~@$!":
        assert not re.search(rf"(?<!\\)(?:\\\\)*{re.escape(mark)}", row), mark
    # Undoing the escapes gives the text back, so nothing was lost.
    assert html.unescape(re.sub(r"\\(.)", r"\1", cells[3])).strip() == plain(text).strip()


def test_markdown_has_the_verdict_the_numbers_and_the_warnings() -> None:
    warned = Finding("latency", "max_ratio", "pass", "fine", details={"warnings": ["Other programs. Close them."] * 2})
    found = markdown(report_of(warned, FAIL))
    assert found.startswith("## ❌ The candidate fails\n")
    assert found.count("Other programs") == 1
    assert "ratio 1.2 is above 1.05 | 1.05 |" in found
    assert "1 pass, 1 fail" in found
    assert "exit code 1" in found


def test_annotations_for_what_does_not_pass() -> None:
    found = github_annotations(report_of(PASS, FAIL, UNSURE, HERE, candidate="models/b.onnx"))
    assert [line.split(" ", 1)[0] for line in found] == ["::error", "::warning", "::error"]
    assert found[0] == (
        "::error file=models/b.onnx,title=gate%3A latency%2C max_ratio (null%2C 1 thread%2C latency)"
        "::fail: ratio 1.2 is above 1.05"
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_give_one_command(text: str) -> None:
    (line,) = github_annotations(report_of(hostile(text), candidate=text))
    assert line.isprintable()
    match = re.fullmatch(r"::error file=([^:,]*),title=([^:,]*)::(.*)", line)
    assert match is not None
    assert "%0A" in line or "\n" not in text


def test_percent_signs_come_back() -> None:
    (line,) = github_annotations(report_of(hostile("100% of 5,000: done\n")))
    assert "100%25 of 5%2C000%3A done%0A" in line
    assert line.endswith("::fail: 100%25 of 5,000: done%0A")


def test_the_benchmark_file_has_numbers_of_which_less_is_better() -> None:
    infinite = Finding("drift", "max_abs", "fail", "far", candidate=float("inf"), value=float("inf"))
    agreement = Finding("drift", "min_top1_agreement", "pass", "close", candidate=0.99)
    drift = Finding("drift", "max_relative", "pass", "close", candidate=0.01)
    entries = json.loads(benchmark_json(report_of(PASS, FAIL, infinite, agreement, drift)))
    assert [(entry["name"], entry["unit"], entry["value"]) for entry in entries] == [
        ("size", "bytes", 1000), ("parameters", "parameters", 250),
        ("latency: null, 1 thread, latency", "ms", 12.0), ("drift: max_relative", "1", 0.01),
    ]  # fmt: skip
    assert entries[2]["range"] == "± 1.7% of the ratio"
    assert all(set(entry) <= {"name", "unit", "value", "range", "extra"} for entry in entries)


def test_reports_appear_together_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = {form: tmp_path / form for form in FORMS}
    assert write_reports(report_of(FAIL), targets) == list(targets.values())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == set(targets.values())

    def breaks(report: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(files.FORMS, "benchmark_json", breaks)
    with pytest.raises(ModelFileError, match="No space left"):
        write_reports(report_of(PASS), targets)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert write_reports(report_of(PASS), {}) == []


def test_names_that_clash_are_refused_before_anything_runs(tmp_path: Path) -> None:
    model = tmp_path / "a.onnx"
    model.write_bytes(b"")
    for targets in ({"junit": model}, {"junit": tmp_path / "x", "markdown": tmp_path / "." / "x"}):
        with pytest.raises(UsageError, match="would replace"):
            check_targets(targets, [model])
    with pytest.raises(UsageError, match="its folder does not exist"):
        check_targets({"junit": tmp_path / "none" / "x"}, [model])
    check_targets({"junit": tmp_path / "x", "markdown": tmp_path / "y"}, [model])


def test_the_summary_is_cut_where_github_would_refuse_all_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    monkeypatch.setenv(files.SUMMARY_VARIABLE, str(summary))
    for most in range(40, 60):  # the sign of the headline has three bytes: some of these would cut it in two
        summary.write_text("before " * 5)
        monkeypatch.setattr(files, "_MOST_SUMMARY_BYTES", most)
        assert append_summary(report_of(PASS)) is True
        assert most - 3 < summary.stat().st_size <= most
        assert summary.read_text(encoding="utf-8").startswith("before " * 5 + "## ")
    summary.write_text("x" * 100)
    assert append_summary(report_of(PASS)) is True
    assert summary.read_text() == "x" * 100


def test_the_summary_is_added_to_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(files.SUMMARY_VARIABLE, raising=False)
    assert append_summary(report_of(PASS)) is False
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv(files.SUMMARY_VARIABLE, str(summary))
    assert append_summary(report_of(PASS)) is True
    assert summary.read_text().startswith("before\n## ✅ The candidate passes\n")
    monkeypatch.setenv(files.SUMMARY_VARIABLE, str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        append_summary(report_of(PASS))
