"""``compressor.export``: forms, files, dynamic axes, what is compared, and every way to be refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="the exporter exports PyTorch modules")
pytest.importorskip("onnxscript", reason="the exporter needs onnxscript")

import torch
from torch import nn

import compressor
from compressor import exporting, model_io
from compressor.errors import GraphError, ModelFileError, UsageError, VerificationError
from compressor.models.registry import build, example_inputs
from tests.compressor.export_networks import FixedBatch, NoOperator, Positions, Restless

TOKENS = torch.tensor([[1, 2, 3, 4, 5]])
both_exporters = pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])


def names(model: onnx.ModelProto | None) -> set[str]:
    assert model is not None
    return {entry.name for entry in model.graph.initializer}


@both_exporters
def test_both_forms_at_any_size(exporter: Any) -> None:
    dynamic = {"tokens": {0: "batch", 1: "length"}}
    result = compressor.export(Positions(), {"tokens": TOKENS}, dynamic=dynamic, exporter=exporter)
    assert [one.form for one in result.forms] == ["training", "deploy"]
    assert 0 < result.max_error < 1e-5
    assert result.sizes[0] == {"batch": 1, "length": 5}
    assert {"batch": 4, "length": 5} in result.sizes
    assert {"batch": 1, "length": 8} in result.sizes, "the longest that its positions take"
    assert [note.partition(" are")[0] for note in result.notes] == ["2 parameters"]
    parameters = {name for name, _ in Positions().named_parameters() if "never_read" not in name}
    for one in result.forms:
        assert parameters <= names(one.model)


@both_exporters
def test_inputs_by_name_may_leave_out_defaults_and_come_in_any_order(exporter: Any) -> None:
    scale = torch.tensor(2.0)
    result = compressor.export(Positions(), {"scale": scale, "tokens": TOKENS}, exporter=exporter, form="deploy")
    (one,) = result.forms
    assert one.model is not None
    assert [entry.name for entry in one.model.graph.input] == ["tokens", "scale"]


def test_files_of_both_forms(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    result = compressor.export(build("digits_cnn"), example_inputs("digits_cnn"), path, exporter="torchscript")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["net.onnx", "net.train.onnx"]
    assert [one.path for one in result.forms] == [str(tmp_path / "net.train.onnx"), str(path)]
    ops = {
        name: {node.op_type for node in onnx.load(tmp_path / name).graph.node}
        for name in ("net.onnx", "net.train.onnx")
    }
    assert "BatchNormalization" in ops["net.train.onnx"] - ops["net.onnx"]


@pytest.mark.parametrize("form", ["training", "deploy"])
def test_one_form_has_the_path_given(tmp_path: Path, form: Any) -> None:
    compressor.export(build("vgg"), example_inputs("vgg"), tmp_path / "net.onnx", form=form, exporter="torchscript")
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.onnx"]
    dropouts = sum(node.op_type == "Dropout" for node in onnx.load(tmp_path / "net.onnx").graph.node)
    assert dropouts == (form == "training")


def test_beyond_a_message_weights_go_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "_INSIDE_BYTES", 1000)
    module, inputs = build("vit"), example_inputs("vit")
    result = compressor.export(module, inputs, tmp_path / "net.onnx", exporter="torchscript", dynamic="batch")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        "net.onnx", "net.onnx.data", "net.train.onnx", "net.train.onnx.data",
    ]  # fmt: skip
    assert result.max_error < 1e-5
    stored = model_io.read(tmp_path / "net.train.onnx").tensors()
    for name, parameter in module.named_parameters():
        np.testing.assert_array_equal(stored[name].values, parameter.detach().numpy())


def test_a_checkpoint_is_what_is_exported(tmp_path: Path) -> None:
    trained = build("digits_cnn", seed=5)
    torch.save(trained.state_dict(), tmp_path / "w.pt")
    result = compressor.export(
        build("digits_cnn"), example_inputs("digits_cnn"), checkpoint=tmp_path / "w.pt", exporter="torchscript"
    )
    model = result.form("training").model
    assert model is not None
    stored = {entry.name: onnx.numpy_helper.to_array(entry) for entry in model.graph.initializer}
    np.testing.assert_array_equal(stored["stem.0.weight"], trained.state_dict()["stem.0.weight"].numpy())


def test_a_graph_that_differs_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    before = tmp_path / "net.onnx"
    before.write_bytes(b"as it was")
    with pytest.raises(VerificationError, match="Nothing was written") as caught:
        compressor.export(Restless(), (torch.randn(3, 4),), before, exporter="torchscript")
    assert "differs from the module by" in str(caught.value)
    assert before.read_bytes() == b"as it was"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_batch_frozen_by_tracing_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "n.onnx"
    with pytest.raises(VerificationError, match=r"cannot run the graph at batch 1.*Nothing was written") as caught:
        compressor.export(FixedBatch(), (torch.randn(3, 4),), path, exporter="torchscript", dynamic="batch")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_the_runtime_cannot_run_is_not_written(tmp_path: Path) -> None:
    module = nn.Conv2d(2, 2, 3).double()
    with pytest.raises(VerificationError, match=r"cannot run the graph, so .*Export float32 or float16"):
        compressor.export(module, (torch.randn(1, 2, 4, 4).double(),), tmp_path / "n.onnx", exporter="torchscript")
    assert list(tmp_path.iterdir()) == []


def test_half_precision() -> None:
    module = nn.Sequential(nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2)).half()
    result = compressor.export(module, (torch.randn(1, 2, 4, 4).half(),), exporter="torchscript", dynamic="batch")
    assert result.max_error < 2e-3
    stored = [entry.data_type for one in result.forms if one.model is not None for entry in one.model.graph.initializer]
    assert len(stored) == 6 + 2
    assert set(stored) == {onnx.TensorProto.FLOAT16}


def test_dropout_that_onnx_cannot_hold_is_told() -> None:
    module = nn.Sequential(nn.AlphaDropout(0.1), nn.LSTM(4, 3, 2, dropout=0.2))
    notes = compressor.export(module, (torch.randn(5, 2, 4),), exporter="torchscript").notes
    assert [note.partition(":")[0] for note in notes] == ["alpha_dropout has no ONNX operator", "1"]


@both_exporters
def test_what_an_exporter_cannot_do(exporter: Any, tmp_path: Path) -> None:
    other = "torchscript" if exporter == "dynamo" else "dynamo"
    with pytest.raises(GraphError, match=f"linalg_eig.*Try the {other} exporter") as caught:
        compressor.export(NoOperator(), (torch.randn(3, 3),), tmp_path / "n.onnx", exporter=exporter)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="Create the folder first"):
        compressor.export(nn.Linear(2, 2), (torch.randn(1, 2),), tmp_path / "no" / "n.onnx", exporter="torchscript")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"example_inputs": (torch.randn(1, 3),)}, "does not run on the example inputs: RuntimeError: mat1 and mat2"),
        ({"example_inputs": ()}, r"forward takes 1 inputs \(input\), given 0"),
        ({"example_inputs": {"x": torch.randn(1, 2)}}, r"given \['x'\]. Give input"),
        ({"example_inputs": (3,)}, "input 'input' is a int, not a tensor"),
        ({"form": "small"}, "unknown form 'small'. Known: both, training, deploy"),
        ({"exporter": "caffe"}, "Known: dynamo, torchscript"),
        ({"dynamic": {"x": {0: "batch"}}}, "'x', which is no input. Inputs: input"),
        ({"dynamic": {"input": {2: "batch"}}}, r"shape \[1, 2\], so no axis 2"),
        ({"dynamic": {"input": {0: "a b"}}}, "'a b' cannot name a dynamic axis"),
        ({"dynamic": {"input": {0: "n", 1: "n"}}}, "'n' is 1 in input 'input' and 2 in input 'input'"),
    ],
)
def test_wrong_use_says_what_is_wrong(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        compressor.export(nn.Linear(2, 2), **{"example_inputs": (torch.randn(1, 2),), **arguments})


def test_a_form_that_was_not_asked_for() -> None:
    result = compressor.export(nn.Linear(2, 2), (torch.randn(1, 2),), form="deploy", exporter="torchscript")
    with pytest.raises(UsageError, match="was not exported"):
        result.form("training")
