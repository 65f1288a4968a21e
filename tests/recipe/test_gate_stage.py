"""The gate at the end of a recipe: its policy stands in the recipe, its verdict is the run's exit code."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from compressor.recipe.planning import plan_run
from tests.compressor.cli_models import Cli
from tests.recipe.small import document, placed, recipe_of, visible

CUT = "prune: {macs: 0.6}\nfold:\n"
PASSES = CUT + "gate:\n  size: {max_ratio: 1.0}\n  params: {max_ratio: 0.9}\n"
FAILS = CUT + "gate:\n  params: {max_ratio: 0.1}\n"


def test_a_pass(tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "out"
    assert "gate: pass: 2 of 2 findings pass" in cli.ok("run", placed(tmp_path, PASSES), "--out", out)
    assert document(out, "gate.json")["status"] == "pass"


def test_a_failure_is_the_exit_code_and_everything_is_shown(tmp_path: Path, cli: Cli) -> None:
    path, out = placed(tmp_path, FAILS), tmp_path / "out"
    code, said, _ = cli("run", path, "--out", out)
    assert code == 1
    assert "gate: params, max_ratio: fail" in said
    assert {"model.onnx", "gate.json", "run.json", "recipe.lock"} <= set(visible(out))
    before = visible(out)
    assert cli("run", path, "--out", out)[0] == 1  # and from the store
    assert visible(out) == before


def test_what_cannot_be_known_is_tried_again(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from compressor.gate.report import GateReport

    path, out = placed(tmp_path, PASSES), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(GateReport, "status", property(lambda self: "inconclusive"))
        assert cli("run", path, "--out", out)[0] == 4
    cli.ok("run", path, "--out", out)
    assert document(out, "gate.json")["status"] == "pass"


def test_an_earlier_release_as_baseline(tmp_path: Path, cli: Cli) -> None:
    path, out = placed(tmp_path, PASSES), tmp_path / "out"
    cli.ok("run", path, "--out", out)
    shutil.copyfile(out / "gate.json", tmp_path / "released.json")
    placed(tmp_path, PASSES.replace("gate:\n", "gate:\n  baseline: released.json\n"))
    said = cli("run", path, "--out", out)
    assert said[0] == 1  # no smaller than what was released
    assert "params, max_ratio: fail" in said[1]


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("", "gate: the policy checks nothing"),
        ("{siz: {max_ratio: 1}}", "unknown key 'siz'; did you mean 'size'?"),
        ("{size: {max_ratioo: 1}}", "did you mean 'max_ratio'?"),
        ("{size: {max_ratio: true}}", "a number is needed"),
    ],
)
def test_a_bad_policy_is_refused_before_any_work(tmp_path: Path, cli: Cli, policy: str, said: str) -> None:
    assert said in cli.error("run", placed(tmp_path, f"{CUT}gate: {policy}\n"), "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_function_of_the_policy_counts(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def figure(path):\n    return 1.0\n", encoding="utf-8")
    policy = CUT + "gate: {metric: {function: own.py:figure, min_value: 0.5}}\n"
    before = plan_run(recipe_of(tmp_path, policy))[0][-1]
    digests = dict.fromkeys(before.reads, "0" * 64)
    (tmp_path / "own.py").write_text("def figure(path):\n    return 2.0\n", encoding="utf-8")
    after = plan_run(recipe_of(tmp_path, policy))[0][-1]
    assert before.name == after.name == "gate"
    assert before.key(digests) != after.key(digests)


def test_a_function_of_the_policy_is_called(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "own.py").write_text("def figure(path):\n    return 1.0\n", encoding="utf-8")
    text = CUT + "gate: {metric: {function: own.py:figure, min_value: 0.5}}\n"
    cli.ok("run", placed(tmp_path, text), "--out", tmp_path / "out")
