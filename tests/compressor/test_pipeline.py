"""The pipeline end to end: compress, replay, verify; what it refuses and what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from compressor.errors import CompressorError, PlanError, UsageError, VerificationError
from compressor.loaded import load_model
from compressor.model_io import digest, read
from compressor.passes.plan import read_plan
from compressor.passes.rewrite_rules import REWRITES
from compressor.passes.selection import Options
from compressor.pipeline import compress, replay
from compressor.proof import verify_files
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
WEIGHTS = {"w": (16, 3, 3, 3), "b": (16,), "k": (16, 4, 3, 3), "u": (24, 16, 1, 1), "v": (24, 10), "c": (10,)}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A grouped convolution network on disk."""
    path = tmp_path / "model.onnx"
    onnx.save(model(BODY, WEIGHTS, inputs="float[N, 3, 8, 8] x", outputs="float[N, 10] y"), path)
    return path


@pytest.mark.parametrize("target", [{"params": 0.5}, {"macs": 0.5}, {"channels": 0.5}])
def test_the_file_written_has_the_size_reported(source: Path, tmp_path: Path, target: dict[str, float]) -> None:
    before = source.read_bytes()
    output = tmp_path / "small.onnx"
    result = compress(source, output, plan_path=tmp_path / "plan.json", **target)  # type: ignore[arg-type]
    assert source.read_bytes() == before
    written = load_model(output)
    none = np.zeros(0, np.int64)
    assert written.cost.cost(none).params == result.after.params < result.before.params
    assert written.cost.cost(none).macs == result.after.macs < result.before.macs
    assert result.after.size_bytes == output.stat().st_size < result.before.size_bytes == source.stat().st_size
    ((metric, share),) = target.items()
    if metric != "channels":
        assert 0.4 < getattr(result.after, metric) / getattr(result.before, metric) <= share
    assert result.verification is not None
    assert result.verification["max_error"] <= result.verification["tolerance"]
    assert set(result.seconds) >= {"load and analyse", "select", "rewrite", "verify", "write"}
    assert json.loads((tmp_path / "plan.json").read_text())["digest"] == digest(read(source))
    onnx.checker.check_model(str(output), full_check=True)


def test_a_replayed_plan_gives_the_same_file(source: Path, tmp_path: Path) -> None:
    compress(source, tmp_path / "one.onnx", params=0.5, plan_path=tmp_path / "plan.json", criterion="random", seed=3)
    replay(source, tmp_path / "plan.json", tmp_path / "two.onnx")
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()
    evidence = verify_files(source, tmp_path / "two.onnx", tmp_path / "plan.json")
    assert evidence.max_error <= evidence.tolerance


def test_the_same_seed_gives_the_same_file(source: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        compress(source, tmp_path / f"{name}.onnx", macs=0.6, criterion="random", seed=seed)
    a, b, c = ((tmp_path / f"{name}.onnx").read_bytes() for name in "abc")
    assert a == b != c


def test_a_plan_for_another_graph_is_refused(source: Path, tmp_path: Path) -> None:
    compress(source, tmp_path / "small.onnx", params=0.5, plan_path=tmp_path / "plan.json")
    other = tmp_path / "other.onnx"
    onnx.save(model(BODY, WEIGHTS, inputs="float[N, 3, 8, 8] x", outputs="float[N, 10] y", seed=1), other)
    for call in (lambda: replay(other, tmp_path / "plan.json", tmp_path / "x.onnx"),
                 lambda: verify_files(other, tmp_path / "small.onnx", tmp_path / "plan.json")):  # fmt: skip
        with pytest.raises(PlanError, match="another graph"):
            call()
    assert not (tmp_path / "x.onnx").exists()


def test_a_plan_that_empties_a_space_is_refused(source: Path, tmp_path: Path) -> None:
    compress(source, tmp_path / "small.onnx", channels=0.7, plan_path=tmp_path / "plan.json")
    plan = read_plan(tmp_path / "plan.json")
    cut = plan.cuts[0]
    plan.cuts[:] = [cut.model_copy(update={"removed": list(range(cut.size))})]
    (tmp_path / "plan.json").write_text(plan.model_dump_json())
    with pytest.raises(PlanError, match="every channel"):
        replay(source, tmp_path / "plan.json", tmp_path / "x.onnx")


def test_a_file_that_was_changed_afterwards_is_not_verified(source: Path, tmp_path: Path) -> None:
    compress(source, tmp_path / "small.onnx", params=0.5, plan_path=tmp_path / "plan.json")
    proto = onnx.load(tmp_path / "small.onnx")
    weight = next(t for t in proto.graph.initializer if t.name == "u")
    array = onnx.numpy_helper.to_array(weight).copy()
    array[0, 0] += 1
    weight.CopyFrom(onnx.numpy_helper.from_array(array, "u"))
    onnx.save(proto, tmp_path / "changed.onnx")
    with pytest.raises(VerificationError, match="first tensor that differs is 'm'"):
        verify_files(source, tmp_path / "changed.onnx", tmp_path / "plan.json")
    proto.graph.output[0].name = "z"
    proto.graph.node[-1].output[0] = "z"
    onnx.save(proto, tmp_path / "changed.onnx")
    with pytest.raises(UsageError, match="outputs are"):
        verify_files(source, tmp_path / "changed.onnx", tmp_path / "plan.json")


def test_a_wrong_cut_is_refused_and_nothing_is_written(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    REWRITES.names()
    monkeypatch.setitem(REWRITES._entries, "Conv", lambda ctx: None)  # forgets the group attribute
    before = sorted(tmp_path.iterdir())
    with pytest.raises(CompressorError):
        compress(source, tmp_path / "small.onnx", params=0.3, plan_path=tmp_path / "plan.json")
    assert sorted(tmp_path.iterdir()) == before


def test_verification_can_be_left_out(source: Path, tmp_path: Path) -> None:
    assert compress(source, tmp_path / "small.onnx", params=0.5, verify=False).verification is None


def test_options_reach_the_selection(source: Path, tmp_path: Path) -> None:
    options = Options(round_to=4)
    result = compress(source, tmp_path / "small.onnx", params=0.7, options=options, plan_path=tmp_path / "p")
    assert result.made_with["round_to"] == 4
    for cut in read_plan(tmp_path / "p").cuts:
        assert (cut.size - len(cut.removed)) % 4 == 0


@pytest.mark.parametrize("targets", [{}, {"params": 0.5, "macs": 0.5}])
def test_exactly_one_target(source: Path, tmp_path: Path, targets: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="exactly one"):
        compress(source, tmp_path / "small.onnx", **targets)  # type: ignore[arg-type]


def test_progress_is_told_stage_by_stage(source: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    compress(source, tmp_path / "small.onnx", params=0.5, progress=lambda *step: seen.append(step))
    stages = list(dict.fromkeys(stage for stage, _, _ in seen))
    assert stages == ["analyse", "select", "verify", "write"]
    assert all(done <= total for _, done, total in seen)
