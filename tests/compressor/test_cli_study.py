"""``compressor study`` on the embedded digits network, with real trials."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import pytest

import compressor
from tests.compressor.cli_models import Cli, in_process
from tests.study.small import raw

pytest.importorskip("optuna")
pytest.importorskip("torch")


def written(folder: Path, **more: object) -> Path:
    """A recipe in a file."""
    path = folder / "quick.json"
    trainer = {"batch_size": 256, "learning_rate": 0.02}
    path.write_text(json.dumps(raw(trainer=trainer, verify=False, **more)), encoding="utf-8")
    return path


def test_a_study_from_recipe_to_files_and_once_more(cli: Cli, tmp_path: Path) -> None:
    found = written(tmp_path, ratios=[0.5], seeds=[0], budget={"epochs": 2})
    out = tmp_path / "out"
    first = cli.json("study", "run", found, "-o", out, "--no-plots")
    assert first["trials"] == {"total": 2, "done": 2, "failed": 0, "running": 0}
    assert 0.9 < first["originals"]["digits"]["metric"] <= 1
    for entry in first["results"]:
        assert entry["result"]["removed"]["params"] == pytest.approx(0.5, abs=0.02)
        assert sum(entry["result"]["epochs"]) == 2, "equal budgets"
        assert len(entry["result"]["epochs"]) == (1 if entry["regime"] == "one-shot" else 2)
        assert entry["result"]["metric"] == entry["result"]["test"]["accuracy"]
    again = cli.json("study", "run", found, "-o", out, "--no-plots")
    assert again["results"] == first["results"], "nothing is done twice"
    from_python = compressor.run_study(found, out).to_json()
    assert json.loads(json.dumps(from_python["results"])) == first["results"]
    table = cli.ok("study", "table", found, "-o", out, "--no-plots")
    assert table.startswith("digits, structured, l1: accuracy; original 0.99")
    assert "2 of 2 trials done" in table
    assert "one-shot" in table
    with (out / "table.csv").open(encoding="utf-8") as file:
        assert [row["regime"] for row in csv.DictReader(file)] == ["one-shot", "geometric"]


def test_a_target_that_cannot_be_reached_is_one_failed_trial(cli: Cli, tmp_path: Path) -> None:
    found = written(tmp_path, ratios=[0.99999], seeds=[0], regimes={"one-shot": {}})
    code, out, err = cli("study", "run", found, "-o", tmp_path / "out", "--no-plots")
    assert code == 1
    assert "0 of 1 trials done, 1 failed" in out
    assert "warning: digits/structured/l1/one-shot/0.99999/0: " in err


def test_single_weights_go_step_by_step_and_stay_zero(cli: Cli, tmp_path: Path) -> None:
    criteria = {"unstructured": ["magnitude"], "2:4": ["magnitude"]}
    found = written(tmp_path, ratios=[0.5], seeds=[0], criteria=criteria)
    done = cli.json("study", "run", found, "-o", tmp_path / "out", "--no-plots")
    removed = {(e["pattern"], e["regime"]): e["result"]["removed"]["weights"] for e in done["results"]}
    assert removed.keys() == {("unstructured", "one-shot"), ("unstructured", "geometric"), ("2:4", "one-shot")}
    assert all(share == pytest.approx(0.5, abs=0.01) for share in removed.values())


def test_bad_recipes_and_changed_ones_end_in_one_line(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "did you mean 'ratios'" in cli.error("study", "run", written(tmp_path, ratio=[0.5]), "-o", out)
    assert not out.exists()
    cli("study", "table", written(tmp_path), "-o", out, "--no-plots")
    changed = written(tmp_path, seeds=[5])
    assert "made from another recipe" in cli.error("study", "table", changed, "-o", out)


def test_what_is_missing_is_named(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    said = cli.error("study", "table", written(tmp_path), "-o", tmp_path / "out", code=3)
    assert "pip install 'compressor[study]'" in said


def test_trials_that_dead_workers_left_are_told(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from compressor.study import workers

    monkeypatch.setattr(workers, "work", lambda job, shared, progress: 0)
    code, _, err = cli("study", "run", written(tmp_path), "-o", tmp_path / "out", "--no-plots")
    assert (code, err) == (1, "warning: 8 of 8 trials are not done yet\n")


@pytest.mark.slow
def test_two_workers_in_processes_of_their_own(tmp_path: Path) -> None:
    found = written(tmp_path, regimes={"one-shot": {}}, budget={"epochs": 1})
    done = in_process(tmp_path, "study", "run", found, "--workers", "2", "-o", "out", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "no bars where stderr is no terminal"
    outcome = json.loads(done.stdout)
    assert outcome["trials"] == {"total": 4, "done": 4, "failed": 0, "running": 0}
    assert (tmp_path / "out" / "digits-structured-l1.png").is_file()
