"""Schedules with training: step after step, killed and resumed, distilled from the original, chosen by trials."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
import torch
from torch import nn

import compressor
from compressor.errors import UsageError
from compressor.finetuning import Finetuning
from compressor.model_io import read
from compressor.models.demo import load_digits
from compressor.models.export import export
from compressor.models.registry import MODELS, build, example_inputs
from compressor.normalize import normalize
from compressor.passes.nested import all_nodes
from compressor.scheduling import Scheduling
from compressor.structure_proof import verify_structure
from compressor.training.context import FinetuneContext
from compressor.training.data import Samples
from compressor.training.evaluate import evaluate_file
from compressor.training.objective import Mixture
from compressor.training.trainer import Trainer
from tests.compressor.cli_models import Cli
from tests.training import digits
from tests.training.test_finetuning import with_dropout

TRAINER = Trainer(epochs=1, batch_size=64)
KEEP = 0.3


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line in this process."""
    return Cli(capsys)


def wish(trainer: Any = TRAINER, folder: Path | None = None) -> Finetuning:
    """Training on the digits."""
    return Finetuning(trainer, data=load_digits("train"), checkpoints=folder)


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Of all initializers."""
    return {
        tensor.name: tuple(map(int, tensor.shape))
        for node in all_nodes(normalize(read(path)))
        for tensor in node.inputs
        if isinstance(tensor, gs.Constant)
    }


def test_steps_keep_the_accuracy_and_tell_how(tmp_path: Path) -> None:
    output = tmp_path / "o.onnx"
    asked: list[str] = []

    def evaluate(path: str) -> float:
        asked.append(Path(path).name)
        return 0.0

    trainer = replace(TRAINER, epochs=3, patience=3)
    result = compressor.compress(
        digits.model(), output, params=KEEP, schedule="geometric", steps=2, finetune=wish(trainer), evaluate=evaluate
    )
    accuracy = evaluate_file(output, digits.samples("test")).accuracy
    assert accuracy is not None
    assert accuracy > 0.95
    assert [step["step"] for step in result.steps] == [1, 2]
    assert [step["epochs"] for step in result.steps] == [3, 3]
    assert all(step["validation"]["accuracy"] > 0.95 and step["seconds"] > 0 for step in result.steps)
    assert result.training is not None
    assert [(entry["step"], entry["epoch"]) for entry in result.training["history"]] == [
        (step, epoch) for step in (1, 2) for epoch in range(4)
    ]
    # The test set is looked at for the original and, once, for what was made of it: never between steps.
    assert asked == [digits.model().name, "o.onnx"]


def test_a_function_is_told_where_in_the_schedule_it_is_and_finds_what_it_left(tmp_path: Path) -> None:
    seen: list[tuple[int, int, float]] = []
    left: list[dict[str, torch.Tensor]] = []

    def shift(module: nn.Module, context: FinetuneContext) -> None:
        seen.append((context.step, context.steps, round(context.target, 3)))
        now = {name: value.clone() for name, value in module.named_parameters()}
        if left:  # what is left of each parameter is a part of what the step before made of it, number for number
            for name, value in now.items():
                assert np.isin(value.detach().numpy(), left[-1][name].detach().numpy()).all(), name
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.01 * context.step)
        left.append({name: value.clone() for name, value in module.named_parameters()})

    compressor.compress(digits.model(), tmp_path / "o.onnx", params=KEEP, schedule="constant", steps=3, finetune=shift)
    assert seen == [(1, 3, 0.233), (2, 3, 0.467), (3, 3, 0.7)]


def test_a_trained_result_has_the_shapes_of_one_cut_and_replays_to_the_bit(tmp_path: Path) -> None:
    plan, first, second, plain = (tmp_path / name for name in ("p.json", "1.onnx", "2.onnx", "plain.onnx"))
    compressor.compress(digits.model(), first, params=KEEP, schedule="hybrid", steps=2, plan_path=plan, finetune=wish())
    compressor.replay(digits.model(), plan, second, finetune=wish())
    assert first.read_bytes() == second.read_bytes()
    compressor.replay(digits.model(), plan, plain)
    compressor.verify(digits.model(), plain, plan)
    assert shapes(plain) == shapes(first)


QUICK_NETWORKS = ("digits_cnn", "gpt", "lstm", "resnext", "shufflenet_v2")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in QUICK_NETWORKS else pytest.mark.slow) for name in MODELS.names()],
)
def test_every_network_goes_step_by_step_with_other_values_in_between(tmp_path: Path, name: str) -> None:
    """Grouped convolutions aligned anew, attention heads, recurrences: each step is proven, and the sum is one cut."""

    def nudge(module: nn.Module, context: FinetuneContext) -> None:
        draw = torch.Generator().manual_seed(context.step)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.02 * torch.randn(parameter.shape, generator=draw) * parameter.abs().mean())

    model, output, plan, plain = (tmp_path / part for part in ("m.onnx", "o.onnx", "p.json", "plain.onnx"))
    onnx.save(export(build(name), example_inputs(name), exporter="torchscript", dynamic="batch"), model)
    result = compressor.compress(
        model, output, params=KEEP, schedule="geometric", steps=3, finetune=nudge, plan_path=plan
    )
    assert [step["step"] for step in result.steps] == [1, 2, 3]
    for step in result.steps:
        assert step["verification"]["max_error"] <= step["verification"]["tolerance"]
        assert step["target_share"] <= step["reached_share"] < step["target_share"] + 0.02
    assert verify_structure(model, output, plan) > 0
    compressor.replay(model, plan, plain)
    assert shapes(plain) == shapes(output)


def test_dropout_is_there_at_every_step_and_not_in_the_result(tmp_path: Path) -> None:
    seen: list[bool] = []

    def look(module: nn.Module, context: FinetuneContext) -> None:
        module.train()
        points = torch.ones(64, 6)
        seen.append(torch.equal(module(points), module(points)))
        with torch.no_grad():
            next(module.parameters()).mul_(2)

    model, output = with_dropout(tmp_path / "m.onnx"), tmp_path / "o.onnx"
    compressor.compress(model, output, channels=0.5, schedule="constant", steps=3, finetune=look)
    assert seen == [False, False, False]
    assert not [node for node in onnx.load(output).graph.node if node.op_type == "Dropout"]


@pytest.mark.parametrize("mixture", [Mixture(distill=0.5), Mixture(distill=0.5, features=0.5)])
def test_the_teacher_is_the_original_at_every_step(tmp_path: Path, mixture: Mixture) -> None:
    outputs: list[torch.Tensor] = []

    def look(module: nn.Module, context: FinetuneContext) -> None:
        with torch.no_grad():
            outputs.append(context.teacher(torch.ones(2, 1, 8, 8)))
        replace(TRAINER, mixture=mixture)(module, context)

    compressor.compress(
        digits.model(), tmp_path / "o.onnx", params=KEEP, schedule="constant", steps=2, finetune=wish(look)
    )
    assert len(outputs) == 2
    torch.testing.assert_close(outputs[0], outputs[1])


def test_the_command_line_clears_up_what_it_kept(cli: Cli, tmp_path: Path) -> None:
    output = tmp_path / "o.onnx"
    line = ("compress", digits.model(), "-o", output, "--params", "0.4", "--data", f"{digits.source(tmp_path)}:train")
    result = cli.json(*line, "--epochs", "1", "--patience", "6", "--schedule", "hybrid", "--steps", "1")
    assert result["training"]["settings"]["tail_patience"] == 2
    assert not (tmp_path / "o.onnx.checkpoints").exists()
    own = tmp_path / "kept"
    cli.json(*line, "--epochs", "1", "--schedule", "constant", "--steps", "2", "--checkpoints", own)
    assert {path.name for path in own.iterdir()} == {"step-01.json", "step-01.onnx", "step-01.pt", "step-02.pt"}


@pytest.mark.parametrize(("patience", "tail", "found"), [(7, None, 2), (1, None, 1), (7, 5, 5), (None, None, None)])
def test_the_tail_of_a_hybrid_schedule_has_less_patience(patience: int | None, tail: int | None, found: object) -> None:
    trainer = Trainer(patience=patience, tail_patience=tail)
    hybrid = Scheduling("hybrid", {"steps": 2}).patient(Finetuning(trainer))
    constant = Scheduling("constant", {"steps": 2}).patient(Finetuning(trainer))
    assert hybrid is not None
    assert constant is not None
    assert hybrid.function.tail_patience == found  # type: ignore[attr-defined]
    assert constant.function == trainer


def test_recovery_and_training_go_together_at_every_step(tmp_path: Path) -> None:
    output, again, plan = tmp_path / "o.onnx", tmp_path / "again.onnx", tmp_path / "p.json"
    common: dict[str, Any] = {"finetune": wish(), "recover": True, "samples": 256}
    result = compressor.compress(
        digits.model(), output, params=KEEP, schedule="constant", steps=2, plan_path=plan, **common
    )
    assert [step["recovery"] is not None for step in result.steps] == [True, True]
    accuracy = evaluate_file(output, digits.samples("test")).accuracy
    assert accuracy is not None
    assert accuracy > 0.9
    compressor.replay(digits.model(), plan, again, **common)
    assert again.read_bytes() == output.read_bytes()
    assert verify_structure(digits.model(), output, plan) > 0


def test_no_sample_of_the_data_is_seen_but_those_given(tmp_path: Path) -> None:
    """Validation samples come out of the training data; a step stops by them and by nothing else."""
    splits: list[tuple[Samples, Samples]] = []

    def look(module: nn.Module, context: FinetuneContext) -> None:
        assert context.train is not None
        assert context.validation is not None
        splits.append((context.train, context.validation))

    compressor.compress(
        digits.model(), tmp_path / "o.onnx", params=KEEP, schedule="constant", steps=2, finetune=wish(look)
    )
    counts = [[len(part) for part in split] for split in splits]
    assert counts == [[970, 108], [970, 108]]
    first, second = (split[1].batch(np.arange(108)).inputs[0] for split in splits)
    np.testing.assert_array_equal(first, second)


def test_trials_take_the_best_at_equal_budgets(tmp_path: Path) -> None:
    auto = Scheduling("auto", {"steps": 3}, trials=4)
    result = compressor.compress(
        digits.model(), tmp_path / "o.onnx", params=KEEP, schedule=auto, finetune=wish(replace(TRAINER, patience=2))
    )
    trials = [line for line in result.advice if line.startswith("trial of")]
    assert [line.split()[2].rstrip(":") for line in trials] == ["one-shot", "constant", "geometric", "hybrid"]
    assert all("4 epochs altogether" in line for line in trials)
    assert ["2 steps" in line for line in trials] == [False, True, True, True]  # as many as divide the epochs
    losses = {line.split()[2].rstrip(":"): float(line.split("loss ")[1].split(",")[0]) for line in trials}
    best = min(losses, key=lambda name: losses[name])
    assert f"schedule {best}: best on the validation samples" in result.advice[len(trials)]
    assert result.made_with.get("schedule", "one-shot") == best
    assert result.seconds["trials"] > 0


def test_trials_need_something_to_compare_by(tmp_path: Path) -> None:
    auto = Scheduling("auto", trials=2)
    with pytest.raises(UsageError, match="trials need the ready-made trainer"):
        compressor.compress(digits.model(), tmp_path / "o.onnx", params=KEEP, schedule=auto)
    with pytest.raises(UsageError, match="trials need validation"):
        compressor.compress(
            digits.model(), tmp_path / "o.onnx", params=KEEP, schedule=auto, finetune=replace(wish(), validation=0.0)
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["vit", "gpt", "resnet20", "squeeze_excite", "lstm"])
def test_a_transformer_is_told_by_its_attention(name: str) -> None:
    from compressor.model_io import from_proto
    from compressor.passes.attention_ops import has_attention

    graph = from_proto(export(build(name), example_inputs(name), exporter="torchscript", dynamic="batch"))
    assert has_attention(normalize(graph)) == (name in ("vit", "gpt"))
