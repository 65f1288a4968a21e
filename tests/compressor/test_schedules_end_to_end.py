"""Schedules through the pipeline: every step meets its share of the original, all steps together are one cut of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest

from compressor.errors import PlanError, UsageError
from compressor.loaded import load_model
from compressor.model_io import read
from compressor.passes.nested import all_nodes
from compressor.passes.plan import read_plan
from compressor.passes.schedule import SCHEDULES
from compressor.passes.scores import CRITERIA
from compressor.passes.selection import Options
from compressor.pipeline import compress, replay
from compressor.proof import verify_files
from compressor.scheduling import Scheduling, as_scheduling
from compressor.tensor_values import peek
from tests.compressor.cli_models import Cli
from tests.passes.graphs import model

BODY = """
h = Conv<pads=[1, 1, 1, 1]>(x, w, b)
i = Relu(h)
j = Conv<pads=[1, 1, 1, 1], group=4>(i, k)
l = Relu(j)
m = Conv(l, u)
p = GlobalAveragePool(m)
f = Flatten(p)
y = Gemm(f, v, c)
"""
WEIGHTS = {"w": (32, 3, 3, 3), "b": (32,), "k": (32, 8, 3, 3), "u": (48, 32, 1, 1), "v": (48, 10), "c": (10,)}
TARGET = 0.6  # of the parameters go
SETTINGS: dict[str, dict[str, Any]] = {
    "one-shot": {},
    "constant": {"steps": 3},
    "geometric": {"steps": 3},
    "hybrid": {"steps": 2, "first": 0.4},
    "cubic": {"steps": 3},
    "logarithmic": {"steps": 3, "base": 4.0},
    "manual": {"shares": [0.2, 0.5, 0.6]},
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A grouped convolution network on disk."""
    path = tmp_path / "model.onnx"
    onnx.save(model(BODY, WEIGHTS, inputs="float[N, 3, 8, 8] x", outputs="float[N, 10] y"), path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "data.npz"
    np.savez(path, x=np.random.default_rng(0).standard_normal((64, 3, 8, 8)).astype(np.float32))
    return path


def initializers(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """By name."""
    return {t.name: peek(t) for node in all_nodes(read(path)) for t in node.inputs if isinstance(t, gs.Constant)}


def largest_worth(path: Path, metric: str) -> int:
    """What removing the most expensive atom of all saves."""
    loaded = load_model(path)
    whole = int(getattr(loaded.cost.cost(np.zeros(0, np.int64)), metric))
    return max(whole - int(getattr(loaded.cost.cost(s.atoms[:1]), metric)) for s in loaded.analysis.spaces) + 1


@pytest.mark.parametrize("metric", ["params", "macs", "channels"])
@pytest.mark.parametrize("name", SCHEDULES.names())
def test_every_schedule_reaches_each_share_and_is_one_cut(source: Path, name: str, metric: str) -> None:
    output, plan_path = source.with_name("small.onnx"), source.with_name("plan.json")
    schedule = Scheduling(name, SETTINGS[name])
    keep: dict[str, Any] = {metric: 1 - TARGET}
    result = compress(source, output, schedule=schedule, plan_path=plan_path, criterion="l2", **keep)
    shares = schedule.shares(TARGET)
    plan = read_plan(plan_path)
    assert len(plan.steps) == (len(shares) if len(shares) > 1 else 0)
    before, worth = getattr(plan.before, metric), largest_worth(source, metric)
    for step, share in zip(plan.steps, shares, strict=False):
        left = getattr(step.after, metric)
        assert left <= (1 - share) * before + 1e-6
        assert left > (1 - share) * before - worth  # of one atom: what rounding leaves over does not add up
    assert [step["target_share"] for step in result.steps] == list(shares if len(shares) > 1 else ())
    assert all(step["verification"]["max_error"] <= step["verification"]["tolerance"] for step in result.steps)
    assert verify_files(source, output, plan_path).max_error <= 1e-4
    again = source.with_name("again.onnx")
    replay(source, plan_path, again)
    assert again.read_bytes() == output.read_bytes()
    none = np.zeros(0, np.int64)
    assert load_model(output).cost.cost(none).params == result.after.params == plan.after.params


def test_every_schedule_has_settings_here() -> None:
    assert set(SETTINGS) == set(SCHEDULES.names())


@pytest.mark.parametrize("align_groups", [True, False])
def test_the_last_file_is_one_cut_of_the_original_to_the_bit(source: Path, align_groups: bool) -> None:
    """Steps of a plan, taken for one, give the same bytes: nothing is composed from cuts of cuts."""
    plan_path, output = source.with_name("plan.json"), source.with_name("small.onnx")
    options = Options(align_groups=align_groups)
    compress(source, output, params=0.4, schedule="geometric", steps=4, plan_path=plan_path, options=options)
    tree = json.loads(plan_path.read_text())
    grouped = [cut["name"] for step in tree["steps"] for cut in step["cuts"] if cut["groups"] is not None]
    assert (len(grouped) > len(set(grouped)) > 0) == align_groups
    del tree["steps"]
    tree["version"] = 1
    plan_path.write_text(json.dumps(tree))
    once = source.with_name("once.onnx")
    replay(source, plan_path, once)
    assert once.read_bytes() == output.read_bytes()


def test_scores_are_taken_anew_at_each_step(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []
    l1 = CRITERIA.get("l1")

    def spy(context: Any) -> Any:
        widths.append(sum(space.size for space in context.analysis.spaces))
        return l1.function(context)

    monkeypatch.setitem(CRITERIA._entries, "l1", type(l1)("l1", spy))
    compress(source, source.with_name("small.onnx"), channels=0.4, schedule="constant", steps=3)
    assert len(widths) == 3
    assert widths == sorted(set(widths), reverse=True)


def test_steps_with_recovery_end_nearer_to_the_original(source: Path, data: Path) -> None:
    output = source.with_name("small.onnx")
    result = compress(source, output, channels=0.5, schedule="geometric", steps=2, data=str(data))
    assert [step["recovery"]["kept"] for step in result.steps] == [True, True]
    assert result.recovery is not None
    assert result.recovery["output_error_after"] < result.recovery["output_error_before"]
    plan = source.with_name("plan.json")
    compress(source, source.with_name("plain.onnx"), channels=0.5, schedule="geometric", steps=2, plan_path=plan,
             data=str(data))  # fmt: skip
    again = source.with_name("again.onnx")
    replay(source, plan, again, data=str(data))
    assert again.read_bytes() == output.read_bytes()


def test_steps_of_another_model_are_refused(source: Path) -> None:
    plan, other = source.with_name("plan.json"), source.with_name("other.onnx")
    compress(source, source.with_name("small.onnx"), params=0.4, schedule="constant", steps=2, plan_path=plan)
    onnx.save(model(BODY, WEIGHTS, inputs="float[N, 3, 8, 8] x", outputs="float[N, 10] y", seed=1), other)
    with pytest.raises(PlanError, match="another graph"):
        replay(other, plan, source.with_name("x.onnx"))


@pytest.mark.parametrize(
    ("schedule", "steps", "said"),
    [
        ("geometric", None, "steps or a rate"),
        ("constant", None, "needs steps"),
        ("one-shot", 3, "no setting 'steps'"),
        ("spiral", 3, "unknown schedule"),
        (Scheduling("manual", {"shares": [0.2, 0.5]}), None, "ends at 0.5, the target is 0.6"),
    ],
)
def test_what_makes_no_sense_is_said_before_any_work(
    source: Path, schedule: str | Scheduling, steps: int | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        compress(source.with_name("none.onnx"), source.with_name("o.onnx"), params=0.4, schedule=schedule, steps=steps)


def test_steps_are_given_once() -> None:
    with pytest.raises(UsageError, match="twice"):
        as_scheduling(Scheduling("constant", {"steps": 2}), 3)
    with pytest.raises(UsageError, match="trials with the schedule 'constant'"):
        Scheduling("constant", {"steps": 2}, trials=3)


def test_the_command_line_tells_step_by_step(cli: Cli, source: Path) -> None:
    line = ("compress", source, "-o", source.with_name("o.onnx"), "--params", "0.4")
    code, out, _ = cli(*line, "--schedule", "hybrid", "--steps", "2", "--first", "0.4", "--tail", "remaining")
    assert code == 0
    assert "to go" in out
    assert "0.400" in out
    result = cli.json(*line, "--schedule", "manual", "--shares", "0.3,0.6")
    assert [step["target_share"] for step in result["steps"]] == [0.3, 0.6]
    assert result["made_with"]["schedule"] == "manual"
    assert "are no numbers" in cli.error(*line, "--schedule", "manual", "--shares", "a,b")
    assert "settings of a schedule without one" in cli.error(*line, "--steps", "3")
    assert "no setting 'base'" in cli.error(*line, "--schedule", "constant", "--steps", "2", "--base", "3")


def test_a_replay_takes_its_schedule_from_the_plan(cli: Cli, source: Path) -> None:
    plan = source.with_name("p.json")
    cli.json("compress", source, "-o", source.with_name("o.onnx"), "--params", "0.4", "--plan", plan)
    line = ("compress", source, "-o", source.with_name("x.onnx"), "--replay", plan)
    assert "--schedule, --steps would have no effect" in cli.error(*line, "--schedule", "constant", "--steps", "2")
