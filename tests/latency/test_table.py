"""Latency tables as files: what is refused, what may be shared, what goes on where it was left."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from compressor.errors import PlanError, UsageError
from compressor.latency.filling import LEAST_SAMPLES, fill
from compressor.latency.goal import LatencyGoal
from compressor.latency.setting import Setting
from compressor.latency.source import table_for
from compressor.latency.table import LatencyTable, Sample, cached_path, check_fits, new_table, read_table, structure
from compressor.loaded import load_model
from compressor.passes.latency.work_units import WorkUnits
from tests.compressor.cli_models import mlp, saved

NULL = Setting(backend="null")


@pytest.fixture
def table(tmp_path: Path) -> LatencyTable:
    return new_table(load_model(saved(tmp_path / "m.onnx")).analysis, NULL.facts())


def test_a_file_gives_back_what_was_saved(table: LatencyTable, tmp_path: Path) -> None:
    table.samples.append(Sample(widths=[64], units_ms={"h": 0.5, "y": 0.25}, whole_ms=1.0))
    table.save(tmp_path / "deep" / "t.json")
    again = read_table(tmp_path / "deep" / "t.json")
    assert again == table
    assert again.units_ms(["y", "h", "z"]).tolist() == [[0.25, 0.5, 0.0]]


@pytest.mark.parametrize(
    ("key", "value"),
    [("samples", [{"widths": [1, 2], "units_ms": {}, "whole_ms": 1.0}]), ("samples", [{"whole_ms": -1.0}]),
     ("format", "other"), ("unknown", 1), ("samples", "text")],
)  # fmt: skip
def test_what_is_no_table_is_refused(table: LatencyTable, tmp_path: Path, key: str, value: object) -> None:
    content = json.loads(table.model_dump_json()) | {key: value}
    (tmp_path / "t.json").write_text(json.dumps(content))
    with pytest.raises(PlanError, match="not a latency table"):
        read_table(tmp_path / "t.json")
    with pytest.raises(PlanError, match="cannot be read"):
        read_table(tmp_path / "none.json")


def test_weights_do_not_count_but_shapes_do(tmp_path: Path) -> None:
    digests = [
        structure(load_model(saved(tmp_path / f"{name}.onnx", proto)).analysis)
        for name, proto in (("a", mlp(0)), ("b", mlp(1)), ("c", mlp(0, second="other")))
    ]
    assert digests[0] == digests[1] != digests[2]


def test_tables_of_other_settings_lie_elsewhere_or_are_refused(table: LatencyTable, tmp_path: Path) -> None:
    analysis = load_model(tmp_path / "m.onnx").analysis
    facts = Setting(backend="null", batch=4).facts()
    assert cached_path(table.structure, facts) != cached_path(table.structure, table.facts)
    with pytest.raises(UsageError, match="batch 1, not 4"):
        check_fits(table, analysis, facts, tmp_path)
    with pytest.raises(UsageError, match=r"made on null, not on openvino-cpu\. Give --backend null"):
        check_fits(table, analysis, {**table.facts, "runtime": {"backend": "openvino-cpu"}}, tmp_path)
    other = load_model(saved(tmp_path / "o.onnx", mlp(second="other"))).analysis
    with pytest.raises(PlanError, match="another model"):
        check_fits(table, other, table.facts, tmp_path)


def test_filling_goes_on_where_it_was_and_stops_in_time(table: LatencyTable, tmp_path: Path) -> None:
    loaded, path = load_model(tmp_path / "m.onnx"), tmp_path / "t.json"
    units = WorkUnits(loaded.analysis, loaded.cost.table)
    fill(table, loaded.analysis, loaded.cost, units, NULL, path, minutes=0)
    assert [sample.widths for sample in read_table(path).samples] == [[64]]
    again = read_table(path)
    fill(again, loaded.analysis, loaded.cost, units, NULL, path, minutes=5)
    assert again.samples[0] == table.samples[0]
    assert len(again.samples) >= LEAST_SAMPLES
    assert len({tuple(sample.widths) for sample in again.samples}) >= LEAST_SAMPLES / 2
    assert set(again.samples[0].units_ms) >= {"h", "y"}
    assert np.isclose(sum(again.samples[0].units_ms.values()), again.samples[0].whole_ms, rtol=0.1)


def test_the_cache_is_asked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    loaded = load_model(saved(tmp_path / "m.onnx"))
    goal = LatencyGoal(0.5, setting=NULL)
    first = table_for(goal, loaded.analysis, loaded.cost)
    second = table_for(goal, loaded.analysis, loaded.cost)
    assert first.measured == len(first.table.samples)
    assert second.measured == 0
    assert second.table == first.table
    assert second.path.is_relative_to(tmp_path / "cache")
    carried = table_for(LatencyGoal(0.5, setting=NULL, table=first.path), loaded.analysis, loaded.cost)
    assert carried.here
    before = first.path.read_bytes()
    carried.add(carried.table.samples[0])
    assert first.path.read_bytes() == before  # a file that the user named is an input
    second.add(second.table.samples[0])
    assert len(read_table(first.path).samples) == len(first.table.samples) + 1
    elsewhere = first.table.model_copy(update={"facts": {**first.table.facts, "cpu_model": "another"}})
    elsewhere.save(tmp_path / "elsewhere.json")
    goal = LatencyGoal(0.5, setting=NULL, table=tmp_path / "elsewhere.json")
    assert not table_for(goal, loaded.analysis, loaded.cost).here


def test_a_table_of_a_larger_machine_is_only_elsewhere() -> None:
    """More threads than this machine has are refused where a model is opened, not where a table is read."""
    assert Setting(backend="null", threads=4096).facts()["threads"] == 4096
