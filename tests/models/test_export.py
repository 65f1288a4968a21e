"""The exporter's own promises: quiet, names, opsets, one whole file, and errors of one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("torch", reason="the exporter exports PyTorch modules")
pytest.importorskip("onnxscript", reason="the dynamo exporter needs onnxscript")

import torch
from torch import Tensor, nn

from compressor.errors import GraphError, ModelFileError, UsageError
from compressor.models.export import DEFAULT_OPSET, Exporter, Form, export
from tests.models.onnx_runs import run

both_exporters = pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])


class TwoInputs(nn.Module):
    """Two named inputs, two outputs, a batch norm and a dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.dropout = nn.Dropout(0.5)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        y: Tensor = self.dropout(self.norm(self.conv(left)))
        return y, y.mean((2, 3)) + right


class NoOnnxOperator(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        values: Tensor = torch.linalg.eigvals(x).real
        return values


def inputs(batch: int = 2) -> tuple[Tensor, Tensor]:
    return torch.randn(batch, 3, 6, 6), torch.randn(batch, 4)


def operator_set(model: onnx.ModelProto) -> int:
    return next(int(entry.version) for entry in model.opset_import if entry.domain == "")


@both_exporters
def test_exporting_is_silent(
    exporter: Exporter, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    export(TwoInputs(), inputs(), exporter=exporter, dynamic="batch", form="training")
    assert capfd.readouterr() == ("", "")
    assert list(recwarn) == []


@both_exporters
def test_a_failed_export_is_one_line_and_nothing_else(exporter: Exporter, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(GraphError, match="linalg_eig") as caught:
        export(NoOnnxOperator(), (torch.randn(3, 3),), exporter=exporter)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@both_exporters
def test_a_module_in_training_mode_is_exported_for_inference_and_left_as_it_was(exporter: Exporter) -> None:
    module = TwoInputs().train()
    module.norm.eval()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    for form in ("training", "deploy"):
        export(module, inputs(), exporter=exporter, form=form)
    assert (module.training, module.dropout.training, module.norm.training) == (True, True, False)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@both_exporters
@pytest.mark.parametrize("form", ["training", "deploy"])
def test_names_are_those_of_forward_and_those_given(exporter: Exporter, form: Form) -> None:
    model = export(TwoInputs(), inputs(), exporter=exporter, form=form, output_names=["maps", "means"])
    assert [entry.name for entry in model.graph.input] == ["left", "right"]
    assert [entry.name for entry in model.graph.output] == ["maps", "means"]


@both_exporters
def test_an_example_of_batch_one_still_gives_a_dynamic_batch(exporter: Exporter) -> None:
    module = TwoInputs().eval()
    model = export(module, inputs(batch=1), exporter=exporter, dynamic="batch")
    left, right = inputs(batch=7)
    with torch.no_grad():
        expected = module(left, right)
    for actual, wanted in zip(run(model, left.numpy(), right.numpy()), expected, strict=True):
        np.testing.assert_allclose(actual, wanted.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("exporter", "opset"), [("torchscript", 13), ("torchscript", 17), ("dynamo", 18), ("dynamo", 22)]
)
def test_the_opset_asked_for_is_written(exporter: Exporter, opset: int) -> None:
    assert operator_set(export(TwoInputs(), inputs(), exporter=exporter, opset=opset)) == opset


@both_exporters
def test_both_exporters_write_the_default_opset(exporter: Exporter) -> None:
    assert operator_set(export(TwoInputs(), inputs(), exporter=exporter)) == DEFAULT_OPSET


def test_an_opset_that_dynamo_cannot_write_is_an_error_not_another_opset() -> None:
    with pytest.raises(UsageError, match="cannot write opset 13"):
        export(TwoInputs(), inputs(), opset=13)


def test_an_opset_that_torchscript_does_not_know_is_an_error() -> None:
    with pytest.raises(GraphError, match="99"):
        export(TwoInputs(), inputs(), exporter="torchscript", opset=99)


def test_the_file_is_the_model_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "two.onnx"
    model = export(TwoInputs(), inputs(), path)
    assert onnx.load(path) == model
    assert [entry.name for entry in tmp_path.iterdir()] == ["two.onnx"]


def test_a_missing_folder_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="Create the folder first"):
        export(TwoInputs(), inputs(), tmp_path / "absent" / "two.onnx", exporter="torchscript")
    assert list(tmp_path.iterdir()) == []


def test_paths_of_this_machine_are_not_written() -> None:
    model = export(TwoInputs(), inputs())
    assert str(Path(__file__).parent).encode() not in model.SerializeToString()
    assert any(node.metadata_props for node in model.graph.node), "dynamo's other notes stay"


def test_an_unknown_exporter_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="Known: dynamo, torchscript"):
        export(TwoInputs(), inputs(), exporter="caffe")  # type: ignore[arg-type]


@pytest.mark.parametrize("examples", [(), (*inputs(), torch.zeros(1))])
def test_the_wrong_number_of_examples_is_an_error(examples: tuple[Tensor, ...]) -> None:
    with pytest.raises(UsageError, match="forward takes 2 inputs"):
        export(TwoInputs(), examples)
