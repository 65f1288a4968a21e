"""``verify --trained``: all but floating-point values must be what one cut of the original gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from compressor.errors import PlanError, UsageError, VerificationError
from compressor.pipeline import compress
from compressor.proof import verify_files
from compressor.structure_proof import verify_structure
from tests.compressor.cli_models import Cli
from tests.passes.graphs import model

BODY = """
h = Conv<pads=[1, 1, 1, 1]>(x, w)
i = Relu(h)
j = Conv<pads=[1, 1, 1, 1], group=4>(i, k)
m = Conv(j, u)
f = Reshape(m, to)
y = Gemm(f, v, c)
"""
WEIGHTS: dict[str, Any] = {"w": (16, 3, 3, 3), "k": (16, 4, 3, 3), "u": (8, 16, 1, 1), "v": (512, 10), "c": (10,),
           "to": np.array([0, 512])}  # fmt: skip


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Original, pruned in steps with recovery, plan."""
    paths = (tmp_path / "m.onnx", tmp_path / "o.onnx", tmp_path / "p.json")
    onnx.save(model(BODY, WEIGHTS, inputs="float[N, 3, 8, 8] x", outputs="float[N, 10] y"), paths[0])
    data = np.random.default_rng(0).standard_normal((64, 3, 8, 8)).astype(np.float32)
    compress(paths[0], paths[1], params=0.5, schedule="constant", steps=2, data=data, plan_path=paths[2])
    return paths


def test_recovered_values_and_biases_are_no_difference(cli: Cli, files: tuple[Path, Path, Path]) -> None:
    original, pruned, plan = files
    assert [len(node.input) for node in onnx.load(pruned).graph.node if node.op_type == "Conv"] != [2, 2, 2]
    assert verify_structure(*files) == 6
    with pytest.raises(VerificationError):
        verify_files(original, pruned, plan)
    result = cli.json("verify", original, pruned, "--plan", plan, "--trained")
    assert (result["kind"], result["nodes"]) == ("structure verification", 6)
    code, out, _ = cli("verify", original, pruned, "--plan", plan, "--trained")
    assert (code, "values were trained, and not compared" in out) == (0, True)


def _attribute(proto: onnx.ModelProto) -> None:
    attribute = next(a for node in proto.graph.node for a in node.attribute if a.name == "pads")
    attribute.ints[0] = 2


def _op(proto: onnx.ModelProto) -> None:
    next(node for node in proto.graph.node if node.op_type == "Relu").op_type = "Sigmoid"


def _whole_numbers(proto: onnx.ModelProto) -> None:
    tensor = next(t for t in proto.graph.initializer if t.data_type == onnx.TensorProto.INT64)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * [1, -1], tensor.name))


def _shape(proto: onnx.ModelProto) -> None:
    tensor = next(t for t in proto.graph.initializer if t.name == "u")
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[:-1], "u"))


def _another_node(proto: onnx.ModelProto) -> None:
    last = proto.graph.node[-1]
    last.output[0] = "before"
    proto.graph.node.append(helper.make_node("Relu", ["before"], ["y"], "more"))


def _connection(proto: onnx.ModelProto) -> None:
    next(node for node in proto.graph.node if node.op_type == "Relu").input[0] = "x"


@pytest.mark.parametrize("change", [_attribute, _op, _whole_numbers, _shape, _another_node, _connection])
def test_everything_else_is(files: tuple[Path, Path, Path], change: Callable[[onnx.ModelProto], None]) -> None:
    original, pruned, plan = files
    proto = onnx.load(pruned)
    change(proto)
    onnx.save(proto, pruned)
    with pytest.raises(VerificationError, match=r"is not what cutting the original gives|has 7 nodes"):
        verify_structure(original, pruned, plan)


def test_another_original_or_interface_is_refused(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    original, pruned, plan = files
    other = tmp_path / "other.onnx"
    onnx.save(model(BODY, WEIGHTS, inputs="float[N, 3, 8, 8] x", outputs="float[N, 10] y", seed=1), other)
    with pytest.raises(PlanError, match="another graph"):
        verify_structure(other, pruned, plan)
    proto = onnx.load(pruned)
    proto.graph.output[0].name = proto.graph.node[-1].output[0] = "z"
    onnx.save(proto, pruned)
    with pytest.raises(UsageError, match="its outputs are"):
        verify_structure(original, pruned, plan)
