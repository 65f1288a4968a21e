"""Pruning with fine-tuning: what the function is told, what is written, that file and module agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

import compressor
from compressor.errors import UsageError
from compressor.finetuning import Finetuning, finetune_file
from compressor.models.demo import load_digits
from compressor.training.context import FinetuneContext
from compressor.training.evaluate import evaluate_file
from compressor.training.objective import Mixture
from compressor.training.trainer import Trainer
from tests.training import digits

TRAINER = Trainer(epochs=3, batch_size=64)


def initializers(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """All values of a file."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


def test_accuracy_comes_back(tmp_path: Path) -> None:
    plain, tuned = tmp_path / "plain.onnx", tmp_path / "tuned.onnx"
    compressor.compress(digits.model(), plain, macs=0.3)
    wish = Finetuning(TRAINER, data=load_digits("train"))
    result = compressor.compress(digits.model(), tuned, macs=0.3, finetune=wish)
    test = digits.samples("test")
    before, after = evaluate_file(plain, test).accuracy, evaluate_file(tuned, test).accuracy
    assert before is not None
    assert after is not None
    assert before < 0.5
    assert after > 0.95
    assert result.training is not None
    assert [entry["epoch"] for entry in result.training["history"]] == [0, 1, 2, 3]
    assert result.training["samples"] == {"train": 970, "validation": 108}
    assert result.training["runtime_difference"] < 1e-5
    assert result.environment["libraries"]["torch"] == torch.__version__
    assert {n: v.shape for n, v in initializers(plain).items()} == {n: v.shape for n, v in initializers(tuned).items()}


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    files = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        wish = Finetuning(Trainer(epochs=1), data=load_digits("train"))
        compressor.compress(digits.model(), tmp_path / name, macs=0.5, finetune=wish, seed=seed)
        files.append((tmp_path / name).read_bytes())
    assert files[0] == files[1] != files[2]


def test_a_function_of_the_users_own(tmp_path: Path) -> None:
    seen: list[tuple[Any, ...]] = []

    def shift(module: nn.Module, context: FinetuneContext) -> None:
        seen.append((context.step, context.steps, context.target, context.metric, context.seed, context.train))
        assert not module.training
        picture = torch.zeros(2, 1, 8, 8)
        assert context.teacher(picture).shape == module(picture).shape
        assert not any(parameter.requires_grad for parameter in context.teacher.parameters())
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(1)
        context.record({"note": "shifted"})

    plain, tuned = tmp_path / "plain.onnx", tmp_path / "tuned.onnx"
    compressor.compress(digits.model(), plain, channels=0.5)
    result = compressor.compress(digits.model(), tuned, channels=0.5, finetune=shift, seed=5)
    assert seen == [(1, 1, 0.5, "channels", 5, None)]
    assert result.training is not None
    assert (result.training["function"], result.training["history"]) == ("shift", [{"step": 1, "note": "shifted"}])
    left, right = initializers(plain), initializers(tuned)
    moved = [name for name in left if np.array_equal(left[name] + 1, right[name])]
    assert {"linear.weight", "linear.bias"} <= set(moved) or len(moved) > 5
    assert all(np.array_equal(left[name], right[name]) for name in left.keys() - set(moved))


def test_a_replayed_plan_is_trained_alike(tmp_path: Path) -> None:
    plan, first, second = tmp_path / "p.json", tmp_path / "1.onnx", tmp_path / "2.onnx"
    wish = Finetuning(Trainer(epochs=1), data=load_digits("train"))
    compressor.compress(digits.model(), first, macs=0.5, plan_path=plan, finetune=wish)
    compressor.replay(digits.model(), plan, second, finetune=wish)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("mixture", [Mixture(distill=1.0), Mixture(distill=0.5, features=0.5)])
def test_learning_from_the_original(tmp_path: Path, mixture: Mixture) -> None:
    pictures, labels = load_digits("train")
    data = (pictures,) if mixture.distill == 1 else (pictures, labels)
    wish = Finetuning(Trainer(epochs=3, batch_size=64, mixture=mixture), data=data)
    plain, tuned = tmp_path / "plain.onnx", tmp_path / "tuned.onnx"
    compressor.compress(digits.model(), plain, macs=0.4)
    compressor.compress(digits.model(), tuned, macs=0.4, finetune=wish)
    before, after = (evaluate_file(path, digits.samples("test")).accuracy for path in (plain, tuned))
    assert before is not None
    assert after is not None
    assert before < 0.7
    assert after > 0.9


def test_no_labels_and_no_teacher_to_learn_from_are_refused(tmp_path: Path) -> None:
    wish = Finetuning(Trainer(epochs=1), data=(load_digits("train")[0],))
    with pytest.raises(UsageError, match="the data has no labels"):
        compressor.compress(digits.model(), tmp_path / "o.onnx", macs=0.5, finetune=wish)
    assert not list(tmp_path.iterdir())


def test_weights_that_are_no_numbers_are_not_written(tmp_path: Path) -> None:
    def ruin(module: nn.Module, context: FinetuneContext) -> None:
        next(module.parameters()).data.fill_(float("nan"))

    with pytest.raises(UsageError, match="that are no numbers"):
        compressor.compress(digits.model(), tmp_path / "o.onnx", macs=0.5, finetune=ruin)
    assert not list(tmp_path.iterdir())


def test_a_file_alone(tmp_path: Path) -> None:
    output = tmp_path / "o.onnx"
    asked: list[str] = []

    def count(path: str) -> float:
        asked.append(path)
        return float(len(asked))

    wish = Finetuning(Trainer(epochs=1), data=load_digits("train"))
    result = finetune_file(digits.model(), output, wish, evaluate=count)
    assert asked == [str(digits.model()), str(output)]
    assert result.evaluation == {"before": {"value": 1.0}, "after": {"value": 2.0}}
    same = onnx.load(output)
    assert [node.name for node in same.graph.node] == [node.name for node in onnx.load(digits.model()).graph.node]


def test_own_figures_of_all_three_models(tmp_path: Path) -> None:
    wish = Finetuning(Trainer(epochs=1), data=load_digits("train"))
    result = compressor.compress(
        digits.model(), tmp_path / "o.onnx", macs=0.5, finetune=wish,
        evaluate=lambda path: {"bytes": Path(path).stat().st_size, "nan": float("nan")},
    )  # fmt: skip
    assert result.evaluation is not None
    assert [result.evaluation[name]["bytes"] for name in ("original", "final")] == [
        digits.model().stat().st_size, (tmp_path / "o.onnx").stat().st_size
    ]  # fmt: skip
    assert result.evaluation["pruned"]["nan"] is None
    with pytest.raises(UsageError, match="returned str"):
        compressor.compress(digits.model(), tmp_path / "p.onnx", macs=0.5, evaluate=lambda path: "good")


def with_dropout(path: Path) -> Path:
    """x -> Gemm -> Relu -> Dropout -> Gemm -> y, exported for training."""
    rng = np.random.default_rng(0)
    shapes = {"w1": (6, 32), "b1": (32,), "w2": (32, 3)}
    tensors = [numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), n) for n, shape in shapes.items()]
    tensors.append(numpy_helper.from_array(np.array(0.5, np.float32), "ratio"))
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], "first"),
        helper.make_node("Relu", ["h"], ["a"], "relu"),
        helper.make_node("Dropout", ["a", "ratio"], ["d"], "drop"),
        helper.make_node("MatMul", ["d", "w2"], ["y"], "second"),
    ]
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 6])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 3])
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_dropout_drops_in_training_and_is_not_in_the_result(tmp_path: Path) -> None:
    seen: list[bool] = []

    def look(module: nn.Module, context: FinetuneContext) -> None:
        points = torch.ones(64, 6)
        seen.append(torch.equal(module(points), module(points)))
        module.train()
        seen.append(torch.equal(module(points), module(points)))

    model = with_dropout(tmp_path / "m.onnx")
    plain, tuned = tmp_path / "plain.onnx", tmp_path / "tuned.onnx"
    compressor.compress(model, plain, channels=0.5, plan_path=tmp_path / "1.json")
    compressor.compress(model, tuned, channels=0.5, plan_path=tmp_path / "2.json", finetune=look)
    assert seen == [True, False]
    plans = [json.loads((tmp_path / name).read_text()) for name in ("1.json", "2.json")]
    assert plans[0]["cuts"] == plans[1]["cuts"]
    assert plans[0]["digest"] == plans[1]["digest"]
    assert tuned.read_bytes() == plain.read_bytes()
