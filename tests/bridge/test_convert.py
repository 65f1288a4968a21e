"""from_onnx: equal to ONNX Runtime, names kept, nothing runs that came with the file."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from compressor.backends.base import open_model
from compressor.backends.inputs import index_bounds, random_feeds
from compressor.bridge import OnnxModule, from_onnx, to_onnx
from compressor.bridge.lowering import LoweringError
from compressor.bridge.tensor_types import to_torch
from compressor.models.export import Exporter
from compressor.models.registry import MODELS, build, example_inputs
from tests.bridge.exported import exported


def model_of(
    nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], inputs: dict[str, list[int | str]], outputs: list[str],
    opset: int = 20,
) -> onnx.ModelProto:  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def linear(*names: str) -> onnx.ModelProto:
    """One MatMul for each name, with that initializer."""
    rng = np.random.default_rng(0)
    weights = {name: rng.standard_normal((4, 4)).astype(np.float32) for name in names}
    nodes = [helper.make_node("MatMul", [f"h{i}", name], [f"h{i + 1}"]) for i, name in enumerate(names)]
    return model_of(nodes, weights, {"h0": ["n", 4]}, [f"h{len(names)}"])


EXPORTERS: tuple[Exporter, ...] = ("dynamo", "torchscript")


@pytest.mark.parametrize("name", MODELS.names())
@pytest.mark.parametrize("exporter", EXPORTERS)
def test_the_module_equals_onnx_runtime_at_every_batch(name: str, exporter: Exporter) -> None:
    model = exported(name, exporter)
    module = from_onnx(model)
    with open_model(model) as session:
        for batch in (1, 3):
            feeds = random_feeds(session.inputs, seed=1, batch=batch, bounds=index_bounds(model))
            expected = session.run(feeds)[session.output_names[0]]
            with torch.no_grad():
                found = module(*(to_torch(feeds[key], key) for key in module.input_names))
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", MODELS.names())
@pytest.mark.parametrize("exporter", EXPORTERS)
def test_parameters_are_those_of_the_network_it_was_exported_from(name: str, exporter: Exporter) -> None:
    module = from_onnx(exported(name, exporter))
    wanted = {key: tuple(value.shape) for key, value in build(name).named_parameters()}
    assert {key: tuple(value.shape) for key, value in module.named_parameters()} == wanted


def test_state_dict_goes_there_and_back() -> None:
    one, two = from_onnx(linear("a.weight", "b.weight")), from_onnx(linear("a.weight", "b.weight"))
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.add_(1)
    two.load_state_dict(one.state_dict())
    x = torch.randn(2, 4)
    torch.testing.assert_close(two(x), one(x))


def test_a_copy_is_a_module_of_its_own_and_can_be_written_back() -> None:
    model = linear("a.weight")
    module = from_onnx(model)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        next(twin.parameters()).zero_()
    assert isinstance(twin, OnnxModule)
    assert next(module.parameters()).abs().sum() > 0
    assert not numpy_helper.to_array(to_onnx(twin, model).graph.initializer[0]).any()


NASTY = [
    'a"); import os; os.abort(); ("', "class", "training", "forward", "weight\nimport os", "..", "", "a.", "ﬁ", "graph",
    "state_dict", "x'y", "\\", "0", "meta", "__class__", "_parameters", "code", "a b", "$(touch x)",
]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in NASTY if name])
def test_a_name_from_the_file_is_never_code(name: str) -> None:
    model = linear(name)
    module = from_onnx(model)
    with open_model(model) as session:
        x = np.ones((2, 4), np.float32)
        expected = session.run({"h0": x})["h1"]
    np.testing.assert_allclose(module(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-5)
    with torch.no_grad():
        next(module.parameters()).zero_()
    (written,) = to_onnx(module, model).graph.initializer
    assert written.name == name
    assert not numpy_helper.to_array(written).any()


def test_names_inside_each_other_get_different_attributes() -> None:
    module = from_onnx(linear("a", "a.b", "a.b.c", "a_1"))
    assert len(list(module.parameters())) == 4
    assert set(module.report.initializers.values()) == {"a", "a.b", "a.b.c", "a_1"}


def test_an_op_without_lowering_is_refused_at_once_and_named() -> None:
    nodes = [
        helper.make_node("Foo", ["x"], ["h"], name="strange", domain="my.domain"),
        helper.make_node("Relu", ["h"], ["y"]),
    ]
    model = model_of(nodes, {}, {"x": [2, 2]}, ["y"])
    model.opset_import.append(helper.make_opsetid("my.domain", 1))
    with pytest.raises(LoweringError, match=r"my\.domain::Foo \(node 'strange'\)"):
        from_onnx(model)


def test_a_file_is_read_and_its_path_may_be_text(tmp_path: Path) -> None:
    onnx.save(linear("w"), tmp_path / "m.onnx")
    assert from_onnx(str(tmp_path / "m.onnx")).report.trainable == 16


def test_type_and_device_follow_to() -> None:
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Cast", ["h"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["c", "half"], ["y"]),
    ]
    weights = {"w": rng.standard_normal((4, 3)).astype(np.float32), "half": np.array(0.5, np.float32)}
    module = from_onnx(model_of(nodes, weights, {"x": ["n", 4]}, ["y"]))
    for kind in (torch.float64, torch.bfloat16, torch.float32):
        assert module.to(kind)(torch.ones(2, 4, dtype=kind)).dtype == kind


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet20", "vit", "gpt", "lstm"])
def test_it_compiles_as_one_graph(name: str) -> None:
    model = exported(name)
    module = from_onnx(model)
    with open_model(model) as session:
        feeds = random_feeds(session.inputs, seed=1, batch=2, bounds=index_bounds(model))
    inputs = [to_torch(feeds[key], key) for key in module.input_names]
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*inputs), module(*inputs), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["resnet20", "vit", "gpt", "lstm", "mobilenet_v2"])
def test_it_runs_under_autocast(name: str) -> None:
    model = exported(name)
    module = from_onnx(model).train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = module(*example_inputs(name)).float().square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


@pytest.mark.parametrize("name", ["report", "initializer", "input_names", "describe", "_graph", "forward", "meta"])
def test_names_of_the_modules_own_stay_free(name: str) -> None:
    module = from_onnx(linear(name, f"{name}.weight"))
    assert set(module.report.initializers.values()) == {name, f"{name}.weight"}
    assert module(torch.ones(2, 4)).shape == (2, 4)
    assert module.input_names == ["h0"]
