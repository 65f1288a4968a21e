"""A contract that every registered stage keeps."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from compressor.recipe.common import Common
from compressor.recipe.planning import Planned, plan_run
from compressor.recipe.schema import parse_recipe
from compressor.recipe.stage import INPUT, MODEL, STAGES, stages_in_order
from tests.recipe.small import placed

ALL: dict[str, Any] = {
    "model": "model.onnx", "data": "data.py:arrays",
    "prune": {"macs": 0.5}, "recover": {}, "finetune": {"epochs": 1}, "fold": {}, "bench": {},
    "gate": {"size": {"max_ratio": 1.0}}, "report": {},
}  # fmt: skip
every_stage = pytest.mark.parametrize("name", STAGES.names())


def planned(folder: Path, **more: Any) -> dict[str, Planned]:
    """A recipe with all stages (an export instead of a file, where asked for)."""
    path = placed(folder)
    (folder / "data.py").write_text("def arrays():\n    return None\n", encoding="utf-8")
    (folder / "net.py").write_text("def build():\n    return None\n", encoding="utf-8")
    stages, _ = plan_run(parse_recipe({**ALL, **more}, path))
    return {one.name: one for one in stages}


EXPORT: dict[str, Any] = {"model": "net.py:build", "export": {"input": ["1x3x8x8"]}}


@every_stage
def test_it_says_what_it_is_and_what_its_settings_are(name: str) -> None:
    stage = STAGES.get(name)
    assert inspect.getdoc(stage)
    assert stage.settings.__doc__
    assert stage.settings.model_config.get("extra") == "forbid"
    assert set(stage.uses) <= set(Common.model_fields)


def test_no_two_run_at_the_same_place() -> None:
    places = [stage.place for _, stage in stages_in_order()]
    assert len(set(places)) == len(places)


def test_passes_and_published_files_have_one_owner() -> None:
    stages = [stage for _, stage in stages_in_order()]
    passes = [one for stage in stages for one in stage.passes] + STAGES.names()
    files = [one for stage in stages for one in stage.publishes] + [MODEL, "run.json", "recipe.lock"]
    assert len(set(passes)) == len(passes)
    assert len(set(files)) == len(files)


@every_stage
def test_it_reads_what_is_there_when_it_begins(name: str, tmp_path: Path) -> None:
    for more in ({}, EXPORT):
        stages = planned(tmp_path, **more)
        if name not in stages:
            continue
        makers = [product.partition("/")[0] for product in stages[name].reads]
        allowed = {*stages[name].flow.done, *(("input",) if not more else ())}
        assert set(makers) <= allowed
        assert len(set(stages[name].reads)) == len(stages[name].reads)


@every_stage
def test_everything_that_it_depends_on_is_in_its_key(name: str, tmp_path: Path) -> None:
    more: dict[str, Any] = EXPORT if name == "export" else {}
    one = planned(tmp_path, **more)[name]
    digests = dict.fromkeys(one.reads, "0" * 64)
    key = one.key(digests)
    assert key == planned(tmp_path, **more)[name].key(digests)
    assert key != planned(tmp_path, **more, seed=1)[name].key(digests)
    for product in one.reads:
        assert key != one.key({**digests, product: "1" * 64})
    for setting, value in settings_that_differ(name).items():
        block = {**ALL.get(name, {}), **more.get(name, {}), setting: value}
        other = planned(tmp_path, **{**more, name: block})[name]
        assert key != other.key(digests), setting


def settings_that_differ(name: str) -> dict[str, Any]:
    """Another value for every simple setting of a stage."""
    found: dict[str, Any] = {}
    for setting, field in STAGES.get(name).settings.model_fields.items():
        if setting == "version":
            continue
        if isinstance(field.default, bool):
            found[setting] = not field.default
        elif isinstance(field.default, int):
            found[setting] = field.default + 1
        elif isinstance(field.default, float):
            found[setting] = field.default * 0.9
    return found


def test_contents_of_what_a_recipe_names_are_in_the_keys(tmp_path: Path) -> None:
    before = planned(tmp_path)["finetune"]
    digests = dict.fromkeys(before.reads, "0" * 64)
    path = placed(tmp_path)
    (tmp_path / "data.py").write_text("def arrays():\n    return 1\n", encoding="utf-8")
    after = {one.name: one for one in plan_run(parse_recipe(ALL, path))[0]}["finetune"]
    assert before.key(digests) != after.key(digests)


def test_what_comes_of_a_measurement_is_not_held_against_a_lock(tmp_path: Path) -> None:
    stages = planned(tmp_path)
    assert {name for name, one in stages.items() if not one.repeatable} == {"bench", "gate", "report"}
    timed = planned(tmp_path, prune={"latency": 0.5})
    assert {name for name, one in timed.items() if one.repeatable} == {"clean", "analyse"}
    assert {name for name, one in timed.items() if one.hardware} == {"prune", "bench", "gate", "report"}


@pytest.mark.parametrize("target", [{"latency_ms": 1.0}, {"energy": 0.5}, {"latency": 0.5, "size": 0.5}])
def test_whatever_is_measured_depends_on_the_hardware(tmp_path: Path, target: dict[str, float]) -> None:
    assert planned(tmp_path, prune=target)["prune"].hardware
    computed = planned(tmp_path, prune={"memory": 0.5, "batch": 4, "dim": {"time": 2}})["prune"]
    assert not computed.hardware
    assert computed.repeatable


def test_a_schedule_of_several_steps_trains_and_recovers_itself(tmp_path: Path) -> None:
    stages = planned(tmp_path, prune={"macs": 0.5, "schedule": "geometric", "steps": 3})
    assert "finetune" not in stages
    assert "recover" not in stages
    trained = planned(tmp_path, prune={"macs": 0.5, "schedule": "geometric", "steps": 3}, finetune={"epochs": 2})
    digests = {INPUT: "0", "clean/model.onnx": "0"}
    assert stages["prune"].key(digests) != trained["prune"].key(digests)
