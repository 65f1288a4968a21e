"""Runs of recipes: what is cached, what is shown, and what an interruption leaves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from compressor.errors import EnvironmentProblem, VerificationError
from compressor.model_io import read
from compressor.recipe import runner
from compressor.recipe.pass_manager import PassManager
from compressor.recipe.runner import Run
from compressor.recipe.stage import STAGES
from compressor.recipe.stages.recover import RecoverStage
from compressor.recipe.store import RECORD
from tests.compressor.cli_models import Cli, environment, snapshot
from tests.recipe.small import WHOLE, carried_out, document, placed, recipe_of, visible

SHOWN = {"model.onnx", "plan.json", "analysis.json", "verification.json", "run.json", "recipe.lock"}
STAGES_OF_WHOLE = ["clean", "analyse", "prune", "recover", "fold", "verify"]


def test_a_whole_run(tmp_path: Path) -> None:
    run, published = carried_out(recipe_of(tmp_path), tmp_path / "out")
    assert list(run.entries) == STAGES_OF_WHOLE
    assert set(visible(tmp_path / "out")) == set(published.files) == SHOWN
    assert published.exit_code == 0
    onnx.checker.check_model(tmp_path / "out" / "model.onnx", full_check=True)
    ops = [node.op for node in read(tmp_path / "out" / "model.onnx").nodes]
    assert "BatchNormalization" not in ops
    report = document(tmp_path / "out", "run.json")
    assert [stage["stage"] for stage in report["stages"]] == STAGES_OF_WHOLE
    assert all(stage["seconds"] > 0 and stage["peak_bytes"] > 1 << 20 for stage in report["stages"])
    fold = report["stages"][4]["passes"]
    assert [one["name"] for one in fold] == ["fold-batchnorm", "fold-constants"]
    assert fold[0]["changed"]
    assert fold[0]["max_error"] < 1e-5
    verification = document(tmp_path / "out", "verification.json")
    assert verification["nodes_of_the_plan"] > 5
    assert verification["folded_equals_unfolded"]["max_error"] < 1e-5


def test_the_second_time_nothing_runs_and_nothing_changes(tmp_path: Path) -> None:
    carried_out(recipe_of(tmp_path), tmp_path / "out")
    before = snapshot(tmp_path / "out")
    run, _ = carried_out(recipe_of(tmp_path), tmp_path / "out")
    assert run.found == STAGES_OF_WHOLE
    assert snapshot(tmp_path / "out") == before


def test_two_folders_get_the_same_bytes(tmp_path: Path) -> None:
    for out in ("a", "b"):
        carried_out(recipe_of(tmp_path), tmp_path / out)
    one, other = visible(tmp_path / "a"), visible(tmp_path / "b")
    same = SHOWN - {"run.json"}  # holds times
    assert {name: one[name] for name in same} == {name: other[name] for name in same}


def test_only_what_depends_on_a_change_runs_again(tmp_path: Path) -> None:
    carried_out(recipe_of(tmp_path), tmp_path / "out")
    run, _ = carried_out(recipe_of(tmp_path, WHOLE + "verify: {inputs: 4}\n"), tmp_path / "out")
    assert run.found == STAGES_OF_WHOLE[:-1]
    run, _ = carried_out(recipe_of(tmp_path, WHOLE.replace("0.6", "0.7")), tmp_path / "out")
    assert run.found == ["clean", "analyse"]
    run, _ = carried_out(recipe_of(tmp_path), tmp_path / "out")  # and back
    assert run.found == STAGES_OF_WHOLE


def test_another_code_runs_everything_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carried_out(recipe_of(tmp_path), tmp_path / "out")
    monkeypatch.setattr("compressor.recipe.planning.code_version", lambda: "another")
    run, _ = carried_out(recipe_of(tmp_path), tmp_path / "out")
    assert run.found == []


@pytest.mark.parametrize("damage", ["model.onnx", RECORD, None])
def test_a_damaged_result_is_made_again(tmp_path: Path, damage: str | None) -> None:
    run, _ = carried_out(recipe_of(tmp_path), tmp_path / "out")
    shown = visible(tmp_path / "out")
    folder = run.entries["prune"].folder
    if damage is None:
        (folder / "plan.json").unlink()
    else:
        whole = (folder / damage).read_bytes()
        (folder / damage).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    again, _ = carried_out(recipe_of(tmp_path), tmp_path / "out")
    assert again.found == ["clean", "analyse", "recover", "fold", "verify"]
    now = visible(tmp_path / "out")
    assert {name: now[name] for name in SHOWN - {"run.json"}} == {name: shown[name] for name in SHOWN - {"run.json"}}


def test_a_dry_run_changes_nothing(tmp_path: Path, cli: Cli) -> None:
    path = placed(tmp_path)
    before = snapshot(tmp_path)
    told = cli.json("run", path, "--out", tmp_path / "out", "--dry-run")
    assert [stage["stage"] for stage in told["stages"]] == STAGES_OF_WHOLE
    assert not any(stage["cached"] for stage in told["stages"])
    assert snapshot(tmp_path) == before
    assert not (tmp_path / "out").exists()
    cli.ok("run", path, "--out", tmp_path / "out")
    before = snapshot(tmp_path)
    assert all(one["cached"] for one in cli.json("run", path, "--out", tmp_path / "out", "--dry-run")["stages"])
    path.write_text(path.read_text(encoding="utf-8").replace("0.6", "0.7"), encoding="utf-8")
    before["recipe.yaml"] = path.read_bytes()
    told = cli.json("run", path, "--out", tmp_path / "out", "--dry-run")
    assert [one["cached"] for one in told["stages"]] == [True, True, False, False, False, False]
    assert snapshot(tmp_path) == before


def test_stopped_early_nothing_is_shown_and_the_next_run_goes_on(tmp_path: Path, cli: Cli) -> None:
    path, out = placed(tmp_path), tmp_path / "out"
    said = cli.ok("run", path, "--out", out, "--stop-after", "prune")
    assert "no model is shown" in said
    assert visible(out) == {}
    run, _ = carried_out(recipe_of(tmp_path), out)
    assert run.found == ["clean", "analyse", "prune"]


def test_models_are_dumped_after_stages_and_passes(tmp_path: Path, cli: Cli) -> None:
    path, out = placed(tmp_path), tmp_path / "out"
    cli.ok("run", path, "--out", out)
    cli.ok("run", path, "--out", out, "--dump-after", "prune", "--dump-after", "fold-batchnorm")  # of cached stages
    assert sorted(one.name for one in (out / "dump").iterdir()) == ["04-prune.onnx", "06-fold-batchnorm.onnx"]
    assert any(node.op == "BatchNormalization" for node in read(out / "dump" / "04-prune.onnx").nodes)
    assert not any(node.op == "BatchNormalization" for node in read(out / "dump" / "06-fold-batchnorm.onnx").nodes)


@pytest.mark.parametrize(("option", "name"), [("--stop-after", "prunee"), ("--dump-after", "fold-batchnor")])
def test_unknown_names_are_told_with_the_nearest(tmp_path: Path, cli: Cli, option: str, name: str) -> None:
    said = cli.error("run", placed(tmp_path), "--out", tmp_path / "out", option, name)
    assert "is no part of this recipe. Did you mean" in said
    assert not (tmp_path / "out").exists()


def test_an_error_names_its_stage_and_finished_stages_stay(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: object, work: Any) -> Any:
        (work.folder / "half.bin").write_bytes(b"half")
        raise VerificationError("differs", where="node 3")

    path, out = placed(tmp_path), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(RecoverStage, "run", fails)
        assert cli.error("run", path, "--out", out, code=1).startswith("stage recover, node 3: differs")
    assert visible(out) == {}
    assert not any(name.endswith("half.bin") for name in snapshot(out))
    run, _ = carried_out(recipe_of(tmp_path), out)
    assert run.found == ["clean", "analyse", "prune"]


def test_ctrl_c_says_from_where_the_command_goes_on(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: object, work: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(STAGES.get("recover"), "run", interrupted)
    code, out, err = cli("run", placed(tmp_path), "--out", tmp_path / "out")
    assert (code, out) == (130, "")
    assert "the same command goes on after stage 'prune'" in err


def test_a_pass_that_changes_the_function_is_found(tmp_path: Path) -> None:
    from compressor.passes.folding import Folding

    graph = read(placed(tmp_path).parent / "model.onnx")

    def wrong(given: Any) -> Folding:
        from compressor.graph_copy import copy_graph

        other = copy_graph(given)
        other.nodes[0].inputs[1].values = other.nodes[0].inputs[1].values * np.float32(1.01)
        return Folding(other)

    passes = PassManager(0, lambda *_: None, lambda *_: None)
    with pytest.raises(VerificationError, match="pass wrong changed the function"):
        passes.run("wrong", wrong, graph)


def test_two_runs_in_one_folder_do_not_meet(tmp_path: Path) -> None:
    first, second = (Run(recipe_of(tmp_path), tmp_path / "out") for _ in range(2))
    with first.store.opened(), pytest.raises(EnvironmentProblem, match="another run is at work"), second.store.opened():
        pass


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    (tmp_path / "out" / ".stages" / ".new-prune-abc").mkdir(parents=True)
    (tmp_path / "out" / ".stages" / ".new-prune-abc" / "model.onnx").write_bytes(b"half")
    carried_out(recipe_of(tmp_path), tmp_path / "out")
    assert not list((tmp_path / "out" / ".stages").glob(".new-*"))


def test_few_older_results_are_kept(tmp_path: Path) -> None:
    for share in (0.5, 0.6, 0.7, 0.8):
        carried_out(recipe_of(tmp_path, f"prune: {{macs: {share}}}\n"), tmp_path / "out")
    kept = [path.name for path in (tmp_path / "out" / ".stages").glob("prune-*")]
    assert len(kept) == 3


def test_files_of_an_older_recipe_go_and_others_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    carried_out(recipe_of(tmp_path), out)
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    carried_out(recipe_of(tmp_path, "fold:\n"), out)
    assert set(visible(out)) == (SHOWN - {"plan.json"}) | {"notes.txt"}


@pytest.mark.parametrize("place", [".", "link"])
def test_results_never_replace_what_the_recipe_reads(tmp_path: Path, cli: Cli, place: str) -> None:
    path = placed(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    before = snapshot(tmp_path)
    assert "would replace a file that the recipe reads" in cli.error("run", path, "--out", tmp_path / place)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("out", ["file", "model.onnx/x"])
def test_an_output_folder_that_cannot_be(tmp_path: Path, cli: Cli, out: str) -> None:
    path = placed(tmp_path)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    before = snapshot(tmp_path)
    code, _, err = cli("run", path, "--out", tmp_path / out)
    assert code in (2, 3), err
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("wrong", ["missing model", "no model", "missing data"])
def test_what_a_recipe_names_must_be_there(tmp_path: Path, cli: Cli, wrong: str) -> None:
    path = placed(tmp_path, "data: nowhere.npz\nprune: {macs: 0.5}\n" if wrong == "missing data" else WHOLE)
    if wrong == "missing model":
        (tmp_path / "model.onnx").unlink()
    elif wrong == "no model":
        (tmp_path / "model.onnx").write_text("no model", encoding="utf-8")
    cli.error("run", path, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_publishing_shows_files_of_one_run_only(tmp_path: Path) -> None:
    """Stopped between any two renames: what is seen is of the new run, whole."""
    out = tmp_path / "out"
    carried_out(recipe_of(tmp_path), out)
    other = recipe_of(tmp_path, WHOLE.replace("0.6", "0.8"))
    _, _ = carried_out(other, tmp_path / "wanted")
    wanted = visible(tmp_path / "wanted")
    script = f"""
import os
from pathlib import Path
from compressor.recipe.schema import read_recipe
from tests.recipe.small import carried_out
real, renames = os.replace, []
def stops(source, target, **more):
    renames.extend([1] * (Path(target).parent == Path({str(out)!r})))
    if len(renames) == 3:
        os._exit(9)
    real(source, target, **more)
recipe = read_recipe(Path({str(other.path)!r}))
carried_out(recipe, Path({str(out)!r}), stop_after="fold")
os.replace = stops
carried_out(recipe, Path({str(out)!r}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), check=False, capture_output=True, text=True
    )
    assert done.returncode == 9, done.stderr
    seen = visible(out)
    assert 0 < len(seen) < len(wanted)
    assert all(json.loads(data) for name, data in seen.items() if name.endswith(".json"))
    assert all(seen[name] == wanted[name] for name in seen if name not in ("run.json", "recipe.lock"))
    carried_out(other, out)
    now = visible(out)
    assert {name: now[name] for name in SHOWN - {"run.json"}} == {name: wanted[name] for name in SHOWN - {"run.json"}}


def test_the_runner_asks_the_store_for_scratch_that_outlives_a_kill(tmp_path: Path) -> None:
    run = Run(recipe_of(tmp_path), tmp_path / "out")
    assert runner.DUMPS == "dump"
    assert run.store.scratch("prune", "a" * 64).name == f"prune-{'a' * 24}.work"
