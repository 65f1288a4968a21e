"""One contract for every registered network: both exporters write it, and ONNX Runtime computes what PyTorch does."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

pytest.importorskip("torch", reason="the networks are PyTorch modules")
pytest.importorskip("onnxscript", reason="the dynamo exporter needs onnxscript")

import torch
from torch import nn

from compressor.graph_extras import CONSTANTS_KEY
from compressor.models.export import Exporter, export
from compressor.models.registry import MODELS, build, example_inputs
from tests.models.onnx_runs import run

# The networks that issue and design promise; a file deleted by accident must not shrink the contract.
PROMISED = {
    "convnext", "densenet", "digits_cnn", "gpt", "lstm", "mobilenet_v2", "resnet20", "resnext",
    "shufflenet_v2", "squeeze_excite", "unet", "vgg", "vit",
}  # fmt: skip
MAX_PARAMETERS = 300_000
RELATIVE_TOLERANCE = 1e-5


def batch_norms(name: str) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in build(name).modules())


every_network = pytest.mark.parametrize("name", MODELS.names())
exporter_cases = pytest.mark.parametrize("exporter", ["torchscript", pytest.param("dynamo", marks=pytest.mark.slow)])


def assert_equal_to_torch(model: onnx.ModelProto, module: nn.Module, name: str, batch: int) -> None:
    inputs = example_inputs(name, batch=batch, seed=batch)
    with torch.no_grad():
        expected = module(*inputs).numpy()
    (actual,) = run(model, *(x.numpy() for x in inputs))
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= RELATIVE_TOLERANCE * np.abs(expected).max()


def count(model: onnx.ModelProto, op_type: str) -> int:
    return sum(node.op_type == op_type for node in model.graph.node)


def test_every_promised_network_is_registered() -> None:
    assert set(MODELS.names()) >= PROMISED


@every_network
def test_networks_are_small_and_repeatable(name: str) -> None:
    first, second = build(name, seed=3).state_dict(), build(name, seed=3).state_dict()
    other = build(name, seed=4).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)
    assert sum(parameter.numel() for parameter in build(name).parameters()) <= MAX_PARAMETERS


@every_network
def test_no_vector_is_constant(name: str) -> None:
    """A bias of zeros, or a scale of ones, would hide that it was cut at the wrong index."""
    constant = [
        key
        for key, value in build(name).state_dict().items()
        if value.ndim == 1 and len(value) > 1 and bool((value == value[0]).all())
    ]
    assert constant == []


@every_network
@exporter_cases
def test_static_export_equals_torch(name: str, exporter: Exporter) -> None:
    module = build(name)
    model = export(module, example_inputs(name), exporter=exporter)
    onnx.checker.check_model(model, full_check=True)
    assert all(entry.type.tensor_type.shape.dim[0].dim_value == 2 for entry in model.graph.input)
    assert_equal_to_torch(model, module, name, batch=2)


@every_network
@exporter_cases
def test_dynamic_export_equals_torch_at_any_batch(name: str, exporter: Exporter) -> None:
    module = build(name)
    model = export(module, example_inputs(name), exporter=exporter, dynamic="batch")
    onnx.checker.check_model(model, full_check=True)
    assert all(entry.type.tensor_type.shape.dim[0].dim_param == "batch" for entry in model.graph.input)
    for batch in (1, 2, 5):
        assert_equal_to_torch(model, module, name, batch)


@pytest.mark.parametrize("name", [name for name in MODELS.names() if batch_norms(name)])
@exporter_cases
def test_batch_norms_stay_when_asked_for(name: str, exporter: Exporter) -> None:
    module = build(name)
    norms = batch_norms(name)
    kept = export(module, example_inputs(name), exporter=exporter, dynamic="batch", form="training")
    assert count(kept, "BatchNormalization") == norms
    assert all(len(node.output) == 1 for node in kept.graph.node if node.op_type == "BatchNormalization")
    assert_equal_to_torch(kept, module, name, batch=3)
    folded = export(module, example_inputs(name), exporter=exporter)
    assert count(folded, "BatchNormalization") < norms


def holds_a_parameter(value: NDArray[np.float32], module: nn.Module) -> bool:
    """In whatever layout."""
    return any(np.array_equal(np.sort(value, None), np.sort(p.detach().numpy(), None)) for p in module.parameters())


def foreign(model: onnx.ModelProto, module: nn.Module) -> dict[str, NDArray[np.float32]]:
    """Floating-point initializers, of more than one value, that no state dict knows."""
    stored = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    known = {key for key, _ in [*module.named_parameters(), *module.named_buffers()]}
    return {
        key: value for key, value in stored.items() if value.dtype == np.float32 and value.size > 1 and key not in known
    }


@every_network
@exporter_cases
def test_parameters_are_the_state_dict_s(name: str, exporter: Exporter) -> None:
    module = build(name)
    model = export(module, example_inputs(name), exporter=exporter, dynamic="batch", form="training")
    stored = {entry.name: numpy_helper.to_array(entry) for entry in model.graph.initializer}
    for key, parameter in module.named_parameters():
        np.testing.assert_array_equal(stored[key], parameter.detach().numpy())
    (listed,) = (entry.value for entry in model.metadata_props if entry.key == CONSTANTS_KEY)
    floats = {key for key, value in stored.items() if value.dtype == np.float32}
    assert set(json.loads(listed)) == floats - dict(module.named_parameters()).keys()
    assert not any(holds_a_parameter(value, module) for value in foreign(model, module).values())
    assert count(model, "Dropout") == sum(isinstance(part, nn.Dropout) for part in module.modules())


@every_network
@exporter_cases
def test_no_weight_of_the_deploy_form_has_another_name(name: str, exporter: Exporter) -> None:
    module = build(name)
    model = export(module, example_inputs(name), exporter=exporter, dynamic="batch")
    assert set(foreign(model, module)) <= set(
        foreign(export(module, example_inputs(name), exporter=exporter, dynamic="batch", form="training"), module)
    )
    assert not any(holds_a_parameter(value, module) for value in foreign(model, module).values())
    assert count(model, "Dropout") == 0
