"""Training that computes in bfloat16: the steps do, the weights do not, and how they lie in memory does not matter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
import torch
from onnx import helper

from compressor.errors import UsageError
from compressor.finetuning import Finetuning, tune
from compressor.model_io import from_proto
from compressor.training.evaluate import evaluate_module
from compressor.training.objective import Mixture
from compressor.training.precision import computed_in, lay_out
from compressor.training.trainer import Trainer
from tests.training.small import QUICK, blobs, context, network, same, weights

LOW = replace(QUICK, precision="bfloat16")


def test_auto_computes_in_float16_on_cuda_alone() -> None:
    assert computed_in("auto", torch.device("cpu")) == torch.float32
    assert computed_in("auto", torch.device("cuda")) == torch.float16
    assert computed_in("float32", torch.device("cuda")) == torch.float32
    assert computed_in("bfloat16", torch.device("cpu")) == torch.bfloat16


def test_layers_are_given_bfloat16_and_weights_stay_float32() -> None:
    seen: dict[str, set[torch.dtype]] = {}
    for precision in ("auto", "bfloat16"):
        module, found = network(), seen.setdefault(precision, set())

        def note(layer: torch.nn.Module, _: object, output: torch.Tensor, found: set[torch.dtype] = found) -> None:
            if layer.training:
                found.add(output.dtype)

        module[0].register_forward_hook(note)  # type: ignore[index]
        replace(QUICK, precision=precision)(module, context())
        assert {value.dtype for value in module.parameters()} == {torch.float32}
    assert seen == {"auto": {torch.float32}, "bfloat16": {torch.bfloat16}}


def test_it_learns_and_repeats_itself() -> None:
    results = []
    for _ in range(2):
        module = network()
        replace(LOW, epochs=8)(module, context())
        results.append(weights(module))
    assert same(*results)
    found = evaluate_module(module, blobs(300, seed=8))
    assert found.accuracy is not None
    assert found.accuracy > 0.9


def test_a_convolution_with_its_teacher_goes_back_into_the_file() -> None:
    """``tune`` refuses a module that differs from the file in ONNX Runtime: what lies in memory must not matter."""
    graph = pictures_network()
    rng = np.random.default_rng(0)
    data = (rng.standard_normal((64, 3, 8, 8)).astype(np.float32), rng.integers(0, 5, 64))
    trainer = replace(LOW, epochs=1, mixture=Mixture(distill=0.5, features=0.5))
    tuned = tune(graph, graph, Finetuning(trainer, data=data, validation=0.0, device="cpu"))
    assert tuned.record["settings"]["precision"] == "bfloat16"
    before, after = graph.tensors()["w"].values, tuned.graph.tensors()["w"].values
    assert before.shape == after.shape
    assert not np.array_equal(before, after)


def pictures_network() -> gs.Graph:
    rng = np.random.default_rng(1)
    values: dict[str, np.ndarray[Any, Any]] = {
        "w": rng.standard_normal((4, 3, 3, 3)).astype(np.float32) / 5,
        "v": rng.standard_normal((5, 4)).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["y"], ["z"]),
        helper.make_node("GlobalAveragePool", ["z"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "v"], ["o"], transB=1),
    ]
    graph = helper.make_graph(
        nodes, "pictures", [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("o", onnx.TensorProto.FLOAT, ["N", 5])],
        [onnx.numpy_helper.from_array(value, name) for name, value in values.items()],
    )  # fmt: skip
    return from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))


def test_a_run_goes_on_in_the_precision_it_began_in(tmp_path: Path) -> None:
    LOW(network(), context(tmp_path))
    with pytest.raises(UsageError, match="another run"):
        QUICK(network(), context(tmp_path))


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(UsageError, match="int4"):
        Trainer(precision="int4")  # type: ignore[arg-type]


def test_five_axes_are_left_as_they_are() -> None:
    flat = torch.nn.Conv2d(2, 3, 2)
    module = torch.nn.Sequential(torch.nn.Conv3d(2, 3, 2), flat)
    before = [parameter.detach().clone() for parameter in module.parameters()]
    lay_out(module, torch.bfloat16)
    assert flat.weight.is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
