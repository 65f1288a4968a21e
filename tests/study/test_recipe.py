"""Recipes: what is understood, and what is refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compressor.errors import CompressorError, UsageError
from compressor.study.grid import shares_of, trials_of
from compressor.study.reading import parse_recipe, read_recipe
from tests.house.source_tree import ROOT
from tests.study.small import raw, recipe


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"regime": {}}, "unknown key 'regime'; did you mean 'regimes'?"),
        ({"regimes": {"geometric": {"step": 3}}}, "regimes.geometric: unknown key 'step'; did you mean 'steps'?"),
        ({"trainer": {"patence": 3}}, "trainer: unknown key 'patence'; did you mean 'patience'?"),
        ({"budget": {}}, "budget: give epochs or seconds, one of them"),
        ({"budget": {"epochs": 3, "seconds": 5}}, "budget: give epochs or seconds, one of them"),
        ({"budget": {"epochs": 1}}, "2 steps share 1 epochs"),
        ({"ratios": []}, "ratios: List should have at least 1 item"),
        ({"ratios": [0.5, 1.5]}, "cannot remove a share of 1.5"),
        ({"ratios": [0.5, 0.5]}, "ratios name a value twice"),
        ({"seeds": [1, 1]}, "seeds name a value twice"),
        ({"regimes": {"geometri": {}}}, "Did you mean 'geometric'?"),
        ({"regimes": {"geometric": {}}}, "give steps or a rate"),
        ({"regimes": {"hybrid": {"steps": 2, "first": 0.6}}}, "the first cut, 0.6, is not between 0 and the target"),
        ({"criteria": ["l11"]}, "Did you mean 'l1'?"),
        ({"criteria": {"unstructured": ["magnitud"]}}, "Did you mean 'magnitude'?"),
        ({"criteria": {"structured": ["l1", "l1"]}}, "names a criterion twice"),
        ({"criteria": {"structured": []}}, "structured has no criterion"),
        ({"criteria": {"unstructred": ["magnitude"]}}, "unknown pattern 'unstructred'"),
        ({"criteria": {"1:4": ["magnitude"]}}, "1:4 takes 0.75 of the weights in one step"),
        ({"metric": "acuracy"}, "metric: Input should be 'accuracy', 'loss' or 'perplexity'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(more: dict[str, Any], said: str) -> None:
    with pytest.raises(CompressorError) as caught:
        recipe(**more)
    assert said in caught.value.one_line()


def test_yaml_and_json_are_the_same(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(raw()), encoding="utf-8")
    (tmp_path / "r.json").write_text(json.dumps(raw()), encoding="utf-8")
    assert read_recipe(tmp_path / "r.yaml") == read_recipe(tmp_path / "r.json") == recipe()


@pytest.mark.parametrize(("name", "text"), [("r.json", "{"), ("r.yaml", "a: [1"), ("r.yaml", "- 1"), ("r.json", "3")])
def test_files_that_are_no_recipes(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=name):
        read_recipe(tmp_path / name)


def test_a_missing_file() -> None:
    with pytest.raises(UsageError, match="no such recipe"):
        read_recipe(Path("nowhere.yaml"))


def test_yaml_tags_build_no_objects(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("!!python/object/apply:os.getcwd []", encoding="utf-8")
    with pytest.raises(UsageError, match="is no YAML"):
        read_recipe(tmp_path / "r.yaml")


def test_the_grid_has_every_combination_once_a_seed_at_a_time() -> None:
    trials = trials_of(recipe(criteria={"structured": ["l1", "l2"], "unstructured": ["magnitude"]}))
    assert len(trials) == len({trial.key for trial in trials}) == 2 * 3 * 2 * 2
    assert [trial.seed for trial in trials] == [0] * 12 + [1] * 12


def test_n_of_m_takes_its_own_share_in_one_step() -> None:
    trials = trials_of(recipe(criteria={"2:4": ["magnitude"], "structured": ["l1"]}))
    sparse = [trial for trial in trials if trial.pattern == "2:4"]
    assert {(trial.ratio, trial.regime) for trial in sparse} == {(0.5, "one-shot")}


def test_a_regime_may_have_another_name_than_its_schedule() -> None:
    found = recipe(
        ratios=[0.8], regimes={"mine": {"schedule": "hybrid", "first_share": 0.75, "steps": 1, "of": "remaining"}}
    )
    assert shares_of(found, trials_of(found)[0]) == pytest.approx((0.6, 0.8))


def test_the_digest_sees_settings_and_files(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text("def train(): ...", encoding="utf-8")
    more: dict[str, Any] = {"data": {"source": "data.py:train"}}
    digests = {recipe().digest(tmp_path), recipe(seeds=[0]).digest(tmp_path), recipe(**more).digest(tmp_path)}
    (tmp_path / "data.py").write_text("def train(): return 1", encoding="utf-8")
    digests.add(recipe(**more).digest(tmp_path))
    assert len(digests) == 4
    with pytest.raises(UsageError, match="no such file"):
        recipe(models={"m": "nowhere.onnx"}).digest(tmp_path)


@pytest.mark.parametrize(
    "path", sorted([*(ROOT / "docs" / "studies").rglob("*.yaml"), *(ROOT / "tests").rglob("study_*.yaml")])
)
def test_the_recipes_of_this_repository_are_good(path: Path) -> None:
    pytest.importorskip("yaml")
    assert trials_of(read_recipe(path))


def test_no_recipe_at_all() -> None:
    with pytest.raises(UsageError, match="is no recipe"):
        parse_recipe(None, "empty.yaml")
