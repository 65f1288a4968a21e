"""Stored results as baselines: what they can answer, and when they are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from compressor.backends.fingerprint import Fingerprint
from compressor.errors import CompressorError, EnvironmentProblem, UsageError
from compressor.gate.pair import StoredBaseline
from compressor.gate.stored import baseline_of
from tests.gate.small import METRIC, gated, saved_chain

pytestmark = pytest.mark.usefixtures("steady")

LATENCY = {"max_ratio": 1.05, "backend": "null", "processes": 2, "seconds": 0.01}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, and what a gate of the first left."""
    tmp_path = tmp_path_factory.mktemp("stored")
    (tmp_path / "metric.py").write_text(METRIC)
    a = saved_chain(tmp_path / "a.onnx", 4)
    saved_chain(tmp_path / "b.onnx", 8)
    metric = {"function": "metric.py:nodes", "max_loss": 0}
    report = gated(
        a, a, tmp_path, size={"max_ratio": 1}, latency=LATENCY, metric=metric,
        memory={"max_ratio": 5, "of": "process", "processes": 2},
    )  # fmt: skip
    (tmp_path / "result.json").write_text(json.dumps(report.to_json(), allow_nan=False))
    return tmp_path


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it for each test."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def edited(folder: Path, edit: Any) -> Path:
    found = json.loads((folder / "result.json").read_text())
    edit(found)
    (folder / "edited.json").write_text(json.dumps(found))
    return folder / "edited.json"


def test_a_result_stands_for_its_candidate(folder: Path) -> None:
    checks = {
        "size": {"max_ratio": 1.0}, "params": {"max_ratio": 1.0}, "ops": {"only_those_of_baseline": True},
        "latency": LATENCY, "memory": {"max_ratio": 5, "of": "process", "processes": 2},
        "metric": {"function": "metric.py:nodes", "max_loss": 0, "higher_is_better": False},
    }  # fmt: skip
    same = gated(folder / "result.json", folder / "a.onnx", folder, **checks)
    assert same.status == "pass"
    worse = gated(folder / "result.json", folder / "b.onnx", folder, **checks)
    failed = {finding.check for finding in worse.findings if finding.status == "fail"}
    assert failed == {"size", "params", "latency", "metric"}
    latency = next(finding for finding in worse.findings if finding.check == "latency")
    assert latency.value == pytest.approx(2.0, rel=0.02)
    assert latency.baseline is None


def test_a_benchmark_stands_for_its_first_model(folder: Path) -> None:
    from compressor.benchmark import bench

    found = bench([folder / "a.onnx"], backend="null", processes=2, min_time_s=0.01)
    (folder / "bench.json").write_text(json.dumps(found.to_json()))
    assert gated(folder / "bench.json", folder / "a.onnx", latency=LATENCY).status == "pass"
    assert gated(folder / "bench.json", folder / "b.onnx", latency=LATENCY).status == "fail"
    with pytest.raises(UsageError, match="knows times only"):
        gated(folder / "bench.json", folder / "a.onnx", size={"max_ratio": 1})
    (folder / "short.json").write_text(json.dumps(found.to_json(samples=False)))
    with pytest.raises(UsageError, match="no raw times"):
        baseline_of(folder / "short.json")


def test_another_machine_is_the_environment(folder: Path) -> None:
    def elsewhere(found: dict[str, Any]) -> None:
        (kept,) = found["candidate"]["measurements"]["latency"]
        kept["fingerprint"] |= {"cpu_model": "another CPU", "digest": "sha256:1"}

    report = gated(edited(folder, elsewhere), folder / "a.onnx", latency=LATENCY, size={"max_ratio": 1})
    assert report.exit_code == 3
    assert "another machine or other versions: cpu_model" in report.findings[0].reason
    assert report.findings[1].status == "pass"  # sizes are the same everywhere


@pytest.mark.parametrize(
    ("check", "part", "value", "says"),
    [
        ("latency", "runtime", {"device": "GPU (driver 1)"}, "runtime device"),
        ("latency", "runtime", {"version": "0.1"}, "runtime version"),
        ("latency", "runtime", {"provider": "another"}, "runtime provider"),
        ("memory", "libraries", {"onnxruntime": "0.1"}, "libraries onnxruntime"),
        ("memory", "runtime", {"device": "GPU (driver 1)"}, "runtime device"),
    ],
)
def test_another_device_driver_or_version_is_the_environment(
    check: str, part: str, value: dict[str, str], says: str, folder: Path
) -> None:
    def elsewhere(found: dict[str, Any]) -> None:
        kept = found["candidate"]["measurements"][check][0]["fingerprint"]
        kept[part] |= value
        kept["digest"] = Fingerprint(**{key: value for key, value in kept.items() if key != "digest"}).digest()

    settings: dict[str, Any] = {"latency": LATENCY, "memory": {"max_ratio": 5, "of": "process", "processes": 2}}
    report = gated(edited(folder, elsewhere), folder / "a.onnx", **{check: settings[check]})
    assert report.exit_code == 3
    assert f"the stored {check} comes from another machine or other versions: {says}. " in report.findings[0].reason


def test_memory_that_does_not_say_where_it_was_measured_is_refused(folder: Path) -> None:
    def without(found: dict[str, Any]) -> None:
        del found["candidate"]["measurements"]["memory"][0]["fingerprint"]

    with pytest.raises(UsageError, match="the stored memory does not say where"):
        gated(edited(folder, without), folder / "a.onnx", memory={"max_ratio": 5, "of": "process", "processes": 2})


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("drift", 0.3, "It got 30% slower meanwhile"),
        ("drift", -0.04, "It got 4% faster meanwhile"),
        ("overloaded", True, "did not keep up"),
    ],
)
def test_times_of_a_machine_that_was_not_quiet_decide_nothing(key: str, value: Any, says: str, folder: Path) -> None:
    for model in ("a.onnx", "b.onnx"):  # the same, and one twice as slow
        report = gated(edited(folder, break_at(*_KEPT, key, value=value)), folder / model, latency=LATENCY)
        assert report.exit_code == 4
        (finding,) = report.findings
        assert says in finding.reason
        assert len(finding.details["rounds"]) == 1  # a second one would be no wiser


def test_stored_times_of_one_process_or_few_blocks_decide_nothing(folder: Path) -> None:
    def shortened(processes: int, blocks: int) -> Any:
        def edit(found: dict[str, Any]) -> None:
            (kept,) = found["candidate"]["measurements"]["latency"]
            kept["samples_ns"] = [process[:blocks] for process in kept["samples_ns"][:processes]]

        return edit

    for processes, blocks, says in ((1, 10, "come from one process"), (2, 2, "only 4 blocks were stored")):
        report = gated(edited(folder, shortened(processes, blocks)), folder / "b.onnx", latency=LATENCY)
        assert report.exit_code == 4
        assert says in report.findings[0].reason
    assert gated(edited(folder, shortened(2, 3)), folder / "b.onnx", latency=LATENCY).exit_code == 1


@pytest.mark.parametrize("change", [{"threads": 2}, {"batch": 3}, {"mode": "throughput"}])
def test_other_settings_are_refused(change: dict[str, Any], folder: Path) -> None:
    with pytest.raises(UsageError, match="the stored latency was not measured with"):
        gated(folder / "result.json", folder / "a.onnx", latency={**LATENCY, **change})


@pytest.mark.parametrize("change", [{"threads": 2}, {"batch": 3}])
def test_memory_of_other_settings_is_refused(change: dict[str, Any], folder: Path) -> None:
    memory = {"max_ratio": 5, "of": "process", "processes": 2, **change}
    with pytest.raises(UsageError, match="the stored memory was not measured with"):
        gated(folder / "result.json", folder / "a.onnx", memory=memory)


def test_a_metric_of_another_function_is_refused(folder: Path) -> None:
    metric = {"function": "metric.py:varying", "max_loss": 0}
    with pytest.raises(UsageError, match=r"the stored metric is not of metric\.py:varying"):
        gated(folder / "result.json", folder / "a.onnx", folder, metric=metric)


def test_what_needs_the_file_says_so(folder: Path) -> None:
    with pytest.raises(UsageError, match="drift runs the baseline itself"):
        gated(folder / "result.json", folder / "a.onnx", drift={"max_abs": 1})
    with pytest.raises(UsageError, match="stored memory was not measured with backend null"):
        gated(folder / "result.json", folder / "a.onnx", memory={"max_ratio": 2, "backend": "null", "processes": 2})

    def without(found: dict[str, Any]) -> None:
        found["candidate"]["measurements"] = {}

    with pytest.raises(UsageError, match="nothing to compare latency with"):
        gated(edited(folder, without), folder / "a.onnx", latency=LATENCY)


def break_at(*path: Any, value: Any) -> Any:
    def edit(found: Any) -> None:
        for key in path[:-1]:
            found = found[key]
        found[path[-1]] = value

    return edit


_KEPT = ("candidate", "measurements", "latency", 0)


@pytest.mark.parametrize(
    "edit",
    [
        break_at("kind", value="plan"),
        break_at("kind", value=["gate"]),
        break_at("version", value=99),
        break_at("version", value=None),
        break_at("candidate", value=None),
        break_at("candidate", "facts", value={}),
        break_at("candidate", "facts", "params", value="many"),
        break_at("candidate", "facts", "ops", value=[]),
        break_at("candidate", "measurements", value=[1]),
        break_at("candidate", "measurements", "latency", value=[1]),
        break_at(*_KEPT, "samples_ns", value=[[[-1]]]),
        break_at(*_KEPT, "samples_ns", value=[[[]]]),
        break_at(*_KEPT, "samples_ns", value=[]),
        break_at(*_KEPT, "samples_ns", value="text"),
        break_at(*_KEPT, "samples_ns", value=[[[10**400]]]),
        break_at(*_KEPT, "samples_ns", value=[[[1.5]], [[True]]]),
        break_at(*_KEPT, "samples_ns", value=[[]]),
        break_at(*_KEPT, "noise", value={"ratio": 1}),
        break_at(*_KEPT, "noise", value={"ratio": "x", "low": None, "high": []}),
        break_at(*_KEPT, "noise", value={"ratio": 1, "low": 2, "high": 1}),
        break_at(*_KEPT, "noise", value=[]),
        break_at("candidate", "facts", "ops", value={"Conv": float("nan")}),
        break_at("candidate", "facts", "size_bytes", value=10**400),
        break_at("candidate", "facts", "size_bytes", value=True),
        break_at(*_KEPT, "conditions", value=7),
        break_at(*_KEPT, "conditions", value={"wall_s": "long"}),
        break_at(*_KEPT, "conditions", value={"wall_s": -1}),
        break_at(*_KEPT, "conditions", value={"weather": 1}),
        break_at(*_KEPT, "drift", value="x"),
        break_at(*_KEPT, "overloaded", value="no"),
        break_at(*_KEPT, "fingerprint", value=7),
        break_at(*_KEPT, "fingerprint", value={}),
    ],
)
def test_damaged_results_are_one_line(edit: Any, folder: Path) -> None:
    with pytest.raises(CompressorError) as caught:
        gated(edited(folder, edit), folder / "a.onnx", latency=LATENCY)
    assert caught.value.exit_code == 2
    assert len(caught.value.one_line()) < 1000


@pytest.mark.parametrize("text", ["", "no json", "[]", "3", "{", "[" * 100_000, '{"kind": "gate"}', "\x00"])
def test_files_that_are_no_results(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(UsageError):
        baseline_of(tmp_path / "r.json")


def test_results_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no such file"):
        baseline_of(tmp_path / "none.json")
    (tmp_path / "r.json").write_text("{}")

    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(EnvironmentProblem, match="Permission denied"):
        baseline_of(tmp_path / "r.json")


def test_a_model_file_is_no_stored_result(tmp_path: Path) -> None:
    assert not isinstance(baseline_of(saved_chain(tmp_path / "a.onnx")), StoredBaseline)
