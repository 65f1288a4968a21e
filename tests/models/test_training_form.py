"""The two forms of one trace: dropouts with their ratios, names of tied and of equal parameters, exact folding."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

pytest.importorskip("torch", reason="the exporter exports PyTorch modules")
pytest.importorskip("onnxscript", reason="the exporter needs onnxscript")

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compressor.models.export import Exporter, Form, export
from tests.models.onnx_runs import run

both_exporters = pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
both_forms = pytest.mark.parametrize("form", ["training", "deploy"])


class Dropouts(nn.Module):
    """As a layer, as a function that asks the module, of channels, and one that never drops."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Dropout(0.3)
        self.channels = nn.Dropout2d(0.4)
        self.none = nn.Dropout(0.0)
        self.unfit = nn.AlphaDropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        y = F.dropout(self.layer(x), 0.2, self.training)
        y = self.channels(self.none(y))
        return torch.relu(self.unfit(y))


class Tied(nn.Module):
    """The head multiplies by the embedding: one tensor, used as it is and transposed, stored once."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 6)
        self.inner = nn.Linear(6, 6)
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        y: Tensor = self.head(self.inner(self.inner(x)))
        return y


class Equal(nn.Module):
    """Two layers whose biases, and a batch norm whose vectors, start out equal: four tensors, not one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        nn.init.zeros_(self.first.bias)
        nn.init.zeros_(self.second.bias)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(torch.relu(self.second(torch.relu(self.first(x))))))


class Folding(nn.Module):
    """Every layer that takes a batch norm in, and two that must not: one shared, one with another reader."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.after_conv = nn.Conv2d(4, 6, 3, groups=2), nn.BatchNorm2d(6)
        self.up, self.after_up = nn.ConvTranspose2d(6, 4, 2, stride=2, groups=2, bias=False), nn.BatchNorm2d(4)
        self.shared, self.norm_a, self.norm_b = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False)
        self.read, self.after_read = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.flat, self.after_flat = nn.Linear(4, 5), nn.BatchNorm1d(5)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                for vector in (part.weight, part.bias, part.running_mean):
                    if vector is not None:
                        nn.init.normal_(vector, mean=1)
                if part.running_var is not None:
                    nn.init.uniform_(part.running_var, 0.5, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.after_up(self.up(torch.relu(self.after_conv(self.conv(x)))))
        y = self.norm_a(self.shared(y)) + self.norm_b(self.shared(y + 1))
        z = self.read(y)
        y = self.after_read(z) * z
        out: Tensor = self.after_flat(self.flat(y.mean((2, 3))))
        return out


def stored(model: onnx.ModelProto) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}


def assert_equal_to_torch(model: onnx.ModelProto, module: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        expected = module.eval()(x).numpy()
    (actual,) = run(model, x.numpy())
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@both_exporters
@pytest.mark.parametrize("dynamic", [None, "batch"])
def test_dropouts_keep_their_ratio_and_are_switched_off(exporter: Exporter, dynamic: str | None) -> None:
    x = torch.randn(3, 4, 5, 5)
    model = export(Dropouts(), (x,), exporter=exporter, form="training", dynamic=dynamic)
    values = stored(model)
    dropouts = [node for node in model.graph.node if node.op_type == "Dropout"]
    assert [round(float(values[node.input[1]]), 6) for node in dropouts] == [0.3, 0.2, 0.4]
    assert [bool(values[node.input[2]]) for node in dropouts] == [False] * 3
    assert_equal_to_torch(model, Dropouts(), x)


@both_exporters
def test_switched_on_they_drop_elements_and_channels(exporter: Exporter) -> None:
    x = torch.ones(8, 16, 6, 6)
    model = export(Dropouts(), (x,), exporter=exporter, form="training")
    (mode,) = {node.input[2] for node in model.graph.node if node.op_type == "Dropout"}
    switch = next(entry for entry in model.graph.initializer if entry.name == mode)
    switch.CopyFrom(numpy_helper.from_array(np.array(True), mode))
    options = onnxruntime.SessionOptions()
    # ONNX Runtime 1.32 optimises one of two Dropouts in a row away, even where both are switched on.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {model.graph.input[0].name: x.numpy()})
    dropped_channels = (y == 0).all((2, 3)).mean()
    dropped = (y[(y != 0).any((2, 3))] == 0).mean()
    assert 0.2 < dropped_channels < 0.6  # 0.4 expected; 128 channels
    assert dropped == pytest.approx(1 - 0.7 * 0.8, abs=0.05)
    assert y.max() == pytest.approx(1 / (0.7 * 0.8 * 0.6), rel=1e-5)


@both_exporters
@pytest.mark.parametrize("dynamic", [None, "batch"])
def test_the_deploy_form_has_no_trace_of_dropout(exporter: Exporter, dynamic: str | None) -> None:
    x = torch.randn(3, 4, 5, 5)
    model = export(Dropouts(), (x,), exporter=exporter, dynamic=dynamic)
    assert [node.op_type for node in model.graph.node] == ["Relu"]


@both_exporters
@both_forms
def test_tied_parameters_are_one_under_their_first_name(exporter: Exporter, form: Form) -> None:
    tokens = torch.randint(11, (2, 3))
    module = Tied()
    model = export(module, (tokens,), exporter=exporter, form=form)
    values = stored(model)
    weights = {name for name, value in values.items() if value.dtype == np.float32}
    assert weights == {"embedding.weight", "inner.weight", "inner.bias"}
    np.testing.assert_array_equal(values["embedding.weight"], module.embedding.weight.detach().numpy())
    assert_equal_to_torch(model, module, tokens)


@both_exporters
@both_forms
def test_equal_parameters_stay_apart(exporter: Exporter, form: Form) -> None:
    module = Equal().eval()
    model = export(module, (torch.randn(3, 4),), exporter=exporter, form=form)
    assert {"first.bias", "second.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"} <= set(
        stored(model)
    )


@both_exporters
def test_batch_norms_fold_where_that_is_exact(exporter: Exporter) -> None:
    module, x = Folding(), torch.randn(2, 4, 8, 8)
    for form, norms in (("training", 6), ("deploy", 3)):
        model = export(module, (x,), exporter=exporter, form=form)  # type: ignore[arg-type]
        assert sum(node.op_type == "BatchNormalization" for node in model.graph.node) == norms
        assert_equal_to_torch(model, module, x)


@both_exporters
@both_forms
def test_attention_keeps_its_dropout_in_the_training_form(exporter: Exporter, form: Form) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.25, batch_first=True)
    x = torch.randn(2, 5, 8)
    model = export(layer, (x,), exporter=exporter, form=form)
    assert sum(node.op_type == "Dropout" for node in model.graph.node) == (4 if form == "training" else 0)
    assert_equal_to_torch(model, layer, x)
