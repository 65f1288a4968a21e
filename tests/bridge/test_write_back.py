"""to_onnx: trained values arrive, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from compressor import model_io
from compressor.backends.base import open_model
from compressor.bridge import OnnxModule, from_onnx, to_onnx
from compressor.errors import GraphError, UsageError
from compressor.models.registry import MODELS
from tests.bridge.exported import exported
from tests.bridge.test_convert import linear, model_of

STATISTICS = ("running_mean", "running_var")


def trained(model: onnx.ModelProto, steps: int = 2) -> tuple[OnnxModule, list[torch.Tensor]]:
    """The module after some steps in training mode, and inputs."""
    module = from_onnx(model)
    module.train()
    generator = torch.Generator().manual_seed(0)
    inputs = [
        torch.randn([d.dim_value or 4 for d in v.type.tensor_type.shape.dim], generator=generator)
        for v in model.graph.input
    ]
    optimizer = torch.optim.SGD(module.parameters(), 1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        module(*inputs).square().mean().backward()
        optimizer.step()
    module.eval()
    return module, inputs


@pytest.mark.parametrize("name", [name for name in MODELS.names() if name not in ("gpt", "lstm")])
def test_what_was_trained_is_what_the_runtime_computes(name: str) -> None:
    model = exported(name)
    module, inputs = trained(model)
    tuned = to_onnx(module, model)
    with open_model(tuned) as session:
        found = session.run({session.inputs[0].name: inputs[0].numpy()})[session.output_names[0]]
    with torch.no_grad():
        wanted = module(*inputs).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


def test_only_values_of_initializers_change() -> None:
    model = exported("resnet20")
    module, _ = trained(model)
    tuned = to_onnx(module, model)
    for one, two in zip(model.graph.initializer, tuned.graph.initializer, strict=True):
        assert (one.name, one.dims, one.data_type) == (two.name, two.dims, two.data_type)
    before = model_io.to_proto(model_io.from_proto(model))  # graphsurgeon orders recorded shapes as it likes
    after = onnx.ModelProto.FromString(tuned.SerializeToString())
    for part in (before, after):
        del part.graph.initializer[:]
    assert before == after


def test_an_untrained_module_gives_the_same_file() -> None:
    model = exported("resnet20")
    again = to_onnx(from_onnx(model), model)
    assert model_io.digest(model_io.from_proto(again)) == model_io.digest(model_io.from_proto(model))


def test_running_statistics_are_written() -> None:
    model = exported("resnet20")
    module, _ = trained(model)
    values = {t.name: numpy_helper.to_array(t) for t in to_onnx(module, model).graph.initializer}
    state = module.state_dict()
    names = [name for name in values if name.endswith(STATISTICS)]
    assert names
    for name in names:
        np.testing.assert_array_equal(values[name], state[name].numpy())


def shared_batch_norms() -> onnx.ModelProto:
    """Two batch norms whose four vectors the exporter stored as two, because they were equal."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["h"], name="one"),
        helper.make_node("BatchNormalization", ["h", "ones", "zeros", "zeros", "ones"], ["n"], name="norm1"),
        helper.make_node("Conv", ["n", "b"], ["i"], name="two"),
        helper.make_node("BatchNormalization", ["i", "ones", "zeros", "zeros", "ones"], ["y"], name="norm2"),
    ]
    weights = {
        "a": rng.standard_normal((3, 2, 1, 1)).astype(np.float32),
        "b": rng.standard_normal((3, 3, 1, 1)).astype(np.float32),
        "ones": np.ones(3, np.float32),
        "zeros": np.zeros(3, np.float32),
    }
    return model_of(nodes, weights, {"x": [4, 2, 5, 5]}, ["y"])


def test_what_is_shared_by_chance_is_trained_apart() -> None:
    model = shared_batch_norms()
    module, inputs = trained(model)
    assert len(module.report.copies) == 6  # eight uses of two initializers
    tuned = to_onnx(module, model)
    with open_model(tuned) as session:
        found = session.run({"x": inputs[0].numpy()})["y"]
    with torch.no_grad():
        np.testing.assert_allclose(found, module(*inputs).numpy(), rtol=1e-4, atol=1e-5)
    assert {"ones", "zeros", "a", "b"} <= {t.name for t in tuned.graph.initializer}


def test_what_is_shared_by_chance_stays_one_where_nothing_changed() -> None:
    model = shared_batch_norms()
    module = from_onnx(model)
    with torch.no_grad():
        module.get_parameter("a").zero_()
    tuned = to_onnx(module, model)
    assert sorted(t.name for t in tuned.graph.initializer) == ["a", "b", "ones", "zeros"]


def test_what_is_tied_on_purpose_stays_tied() -> None:
    model = linear("w")
    model.graph.node.append(helper.make_node("MatMul", ["h1", "w"], ["h2"]))
    model.graph.output[0].name = "h2"
    module = from_onnx(model)
    assert len(list(module.parameters())) == 1
    assert not module.report.copies


def test_half_precision_files_keep_their_type() -> None:
    model = linear("w")
    half = numpy_helper.from_array(numpy_helper.to_array(model.graph.initializer[0]).astype(np.float16), "w")
    model.graph.initializer[0].CopyFrom(half)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    module = from_onnx(model).float()
    with torch.no_grad():
        module.get_parameter("w").add_(1)
    (written,) = to_onnx(module, model).graph.initializer
    assert written.data_type == onnx.TensorProto.FLOAT16
    np.testing.assert_allclose(numpy_helper.to_array(written), numpy_helper.to_array(half) + 1, rtol=1e-2)


def test_another_graph_is_refused() -> None:
    with pytest.raises(GraphError, match="'w'"):
        to_onnx(from_onnx(linear("w")), linear("v"))
    small, large = linear("w"), linear("w")
    large.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((4, 5), np.float32), "w"))
    with pytest.raises(GraphError, match=r"\[4, 5\]"):
        to_onnx(from_onnx(small), large)


def test_a_file_in_a_file_out(tmp_path: Path) -> None:
    onnx.save(linear("w"), tmp_path / "m.onnx")
    module = from_onnx(tmp_path / "m.onnx")
    with torch.no_grad():
        module.get_parameter("w").zero_()
    to_onnx(module, tmp_path / "m.onnx", tmp_path / "out.onnx")
    assert not numpy_helper.to_array(onnx.load(tmp_path / "out.onnx").graph.initializer[0]).any()


def test_a_wrapped_module_is_unwrapped_and_a_strange_one_refused() -> None:
    model = linear("w")
    module = from_onnx(model)
    with torch.no_grad():
        module.get_parameter("w").zero_()
    compiled: torch.nn.Module = torch.compile(module, backend="eager")  # type: ignore[assignment]
    assert not numpy_helper.to_array(to_onnx(compiled, model).graph.initializer[0]).any()
    with pytest.raises(UsageError, match="Linear was not made by from_onnx"):
        to_onnx(torch.nn.Linear(2, 2), model)
