"""Recovery in the pipeline and on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compressor.errors import VerificationError
from compressor.finetuning import Finetuning
from compressor.graph_copy import copy_graph
from compressor.model_io import from_proto, read
from compressor.models.demo import demo_model_path, load_digits
from compressor.pipeline import compress, replay
from compressor.recover import check_same_but_for
from compressor.verification import opened
from tests.compressor.cli_models import Cli
from tests.passes.graphs import f32, model

MODEL = demo_model_path(batchnorm=True)


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    """(pictures, labels) of the embedded digits."""
    return load_digits("train")


@pytest.fixture
def data(tmp_path: Path, digits: tuple[Any, Any]) -> Path:
    path = tmp_path / "calibration.npz"
    np.savez(path, **{read(MODEL).inputs[0].name: digits[0]})
    return path


def _accuracy(path: Path, digits: tuple[Any, Any]) -> float:
    images, labels = digits
    with opened(read(path)) as session:
        (logits,) = session.run({session.inputs[0].name: images}).values()
    return float((logits.argmax(1) == labels).mean())


def test_data_alone_recovers(tmp_path: Path, data: Path, digits: tuple[Any, Any], cli: Cli) -> None:
    plain, better = tmp_path / "plain.onnx", tmp_path / "better.onnx"
    common = ("compress", MODEL, "--macs", "0.5", "--data", data, "--samples", "512")
    without = cli.json(*common, "-o", plain, "--no-recover")
    result = cli.json(*common, "-o", better, "--plan", tmp_path / "p.json")
    assert without["recovery"] is None
    recovery = result["recovery"]
    assert (recovery["data"], recovery["samples"], recovery["made_up_inputs"]) == (str(data), 512, False)
    assert recovery["kept"]
    assert recovery["output_error_after"] < 0.5 * recovery["output_error_before"]
    assert all(layer["after"] <= layer["before"] for layer in recovery["layers"])
    assert result["verification"]["max_error"] == without["verification"]["max_error"]  # the cut is what is proven
    assert result["seconds"]["recover"] > 0
    assert _accuracy(better, digits) > _accuracy(plain, digits) + 0.1
    again = tmp_path / "again.onnx"
    replay(MODEL, tmp_path / "p.json", again, data=str(data), samples=512)
    assert again.read_bytes() == better.read_bytes()


def test_the_table_says_what_recovery_did(tmp_path: Path, data: Path, cli: Cli) -> None:
    out = cli.ok("compress", MODEL, "-o", tmp_path / "o.onnx", "--macs", "0.5", "--data", data, "--samples", "256")
    assert "recovered without training on 256 samples" in out


def test_made_up_inputs_are_said_to_be_weaker(tmp_path: Path, cli: Cli) -> None:
    result = cli.json("compress", MODEL, "-o", tmp_path / "o.onnx", "--macs", "0.5", "--recover", "--samples", "256")
    assert result["recovery"]["made_up_inputs"]
    assert any("made-up inputs: weaker" in advice for advice in result["advice"])


def test_nothing_to_remove_gives_the_same_bytes(tmp_path: Path, data: Path) -> None:
    compress(MODEL, tmp_path / "o.onnx", channels=0.9, plan_path=tmp_path / "p.json")
    plan = json.loads((tmp_path / "p.json").read_text())
    (tmp_path / "nothing.json").write_text(json.dumps({**plan, "cuts": []}))
    for recover in (True, False):
        result = replay(MODEL, tmp_path / "nothing.json", tmp_path / f"{recover}.onnx", data=str(data), recover=recover)
        assert result.before.params == result.after.params
        assert (result.recovery or {"layers": []})["layers"] == []
    assert (tmp_path / "True.onnx").read_bytes() == (tmp_path / "False.onnx").read_bytes()


def test_training_starts_from_what_was_recovered_where_both_are_asked_for(tmp_path: Path, data: Path) -> None:
    seen: list[dict[str, Any]] = []

    def watch(module: Any, context: Any) -> None:
        seen.append({name: value.clone() for name, value in module.state_dict().items()})

    for recover in (None, True):
        wish = Finetuning(watch, data=str(data))
        result = compress(MODEL, tmp_path / "o.onnx", macs=0.5, finetune=wish, recover=recover, evaluate=_size)
        assert (result.recovery is not None) == bool(recover)
        assert ("recovered" in (result.evaluation or {})) == bool(recover)
    assert any(not bool((seen[0][name] == seen[1][name]).all()) for name in seen[0])


def _size(path: str) -> float:
    return float(Path(path).stat().st_size)


BODY = "h = MatMul(x, w)\nz = Add(h, b)\ny = MatMul(z, v)"
WEIGHTS: dict[str, Any] = {"w": (6, 5), "b": (5,), "v": (5, 4)}


@pytest.mark.parametrize(
    ("body", "weights", "what"),
    [
        ("k = Relu(x)\n" + BODY, WEIGHTS, "inputs, outputs or nodes"),
        (BODY.replace("Add", "Sub"), WEIGHTS, "node 'z'"),
        (BODY, {**WEIGHTS, "v": (5, 3)}, "node 'y'"),
        (BODY, {**WEIGHTS, "v": np.zeros((5, 4), np.float32)}, "node 'y'"),
    ],
)
def test_a_result_that_differs_in_more_than_solved_values_is_refused(
    body: str, weights: dict[str, Any], what: str
) -> None:
    one = from_proto(model(BODY, WEIGHTS))
    check_same_but_for(one, copy_graph(one), [])
    with pytest.raises(VerificationError, match=what):
        check_same_but_for(one, from_proto(model(body, weights)), ["z"])


def test_values_of_solved_layers_may_differ() -> None:
    one = from_proto(model(BODY, WEIGHTS))
    other = from_proto(model(BODY, {**WEIGHTS, "w": f32(np.zeros((6, 5))), "b": f32(np.ones(5))}))
    other_v = next(t for node in other.nodes for t in node.inputs if t.name == "v")
    other_v.values = next(t for node in one.nodes for t in node.inputs if t.name == "v").values
    check_same_but_for(one, other, ["z"])
    with pytest.raises(VerificationError, match="node 'h'"):
        check_same_but_for(one, other, ["y"])
