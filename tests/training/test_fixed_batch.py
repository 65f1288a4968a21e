"""Files that name the size of their batch: what is left over is filled up, and only what was there counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from onnx import helper, numpy_helper

from compressor.bridge import from_onnx
from compressor.errors import UsageError
from compressor.model_io import from_proto
from compressor.training.data import ArraySamples, Samples, carve, filled_up
from compressor.training.objective import Mixture
from compressor.training.trainer import Trainer
from compressor.training.wanted import wanted_inputs
from tests.training.small import CLASSES, QUICK, WIDTH, blobs, context

FIXED = replace(QUICK, batch_size=8, epochs=2)


def _graph(batch: int | None) -> gs.Graph:
    """A layer between two reshapes; with a batch, it is written into them."""
    rng = np.random.default_rng(1)
    sizes = [-1 if batch is None else batch]
    initializers = {
        "w": rng.standard_normal((WIDTH, CLASSES)).astype(np.float32),
        "split": np.array([*sizes, 2, WIDTH // 2]),
        "joined": np.array([*sizes, WIDTH]),
    }
    nodes = [
        helper.make_node("Reshape", ["x", "split"], ["s"]),
        helper.make_node("Reshape", ["s", "joined"], ["j"]),
        helper.make_node("MatMul", ["j", "w"], ["y"]),
    ]
    rows = "n" if batch is None else batch
    graph = helper.make_graph(
        nodes, "fixed", [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [rows, WIDTH])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [rows, CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in initializers.items()],
    )  # fmt: skip
    return from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9))


def _history(graph: gs.Graph, trainer: Trainer, samples: Samples) -> list[dict[str, object]]:
    splits = carve(samples, 0.25, 0)  # 42: five batches of 8, and two
    around = context()
    around.train, around.validation, around.original = splits.train, splits.validation, graph
    trainer(from_onnx(graph), around)
    return [{k: v for k, v in entry.items() if k != "seconds"} for entry in around.history]


@pytest.mark.parametrize("distill", [0.0, 0.5, 1.0])
def test_validation_is_that_of_the_file_with_a_dynamic_batch(distill: float) -> None:
    trainer = replace(FIXED, mixture=Mixture(distill=distill))
    found, wanted = (_history(_graph(batch), trainer, blobs(168)) for batch in (8, None))
    for entry, other in zip(found, wanted, strict=True):
        assert entry == {k: v if v is None or k == "epoch" else pytest.approx(v, rel=1e-5) for k, v in other.items()}


def test_another_batch_than_the_files_is_refused() -> None:
    with pytest.raises(UsageError, match="Give a batch size that the file allows"):
        _history(_graph(8), replace(FIXED, batch_size=16), blobs(168))


def test_filled_up_with_the_last_row() -> None:
    (found,) = filled_up([np.arange(6).reshape(3, 2)], 5)
    np.testing.assert_array_equal(found, [[0, 1], [2, 3], [4, 5], [4, 5], [4, 5]])
    assert filled_up([found], 5)[0] is found
    assert filled_up([found], 3)[0] is found


@pytest.mark.parametrize("shape", [(WIDTH, 1), (WIDTH, 3)])
def test_learning_from_one_number_without_labels(shape: tuple[int, int]) -> None:
    """A softmax of one number is 1 whatever it is: nothing would be learnt."""
    teacher, student = _graph(None), _graph(None)
    values = np.random.default_rng(2).standard_normal(shape).astype(np.float32)
    teacher.tensors()["w"].values, student.tensors()["w"].values = values, np.zeros_like(values)
    points = np.random.default_rng(3).standard_normal((160, WIDTH)).astype(np.float32)
    splits = carve(ArraySamples([points], None, wanted_inputs(teacher), "points"), 0.25, 0)
    around = context()
    around.train, around.validation, around.original = splits.train, splits.validation, teacher
    replace(QUICK, mixture=Mixture(distill=1.0))(from_onnx(student), around)
    losses = [float(entry["validation_loss"]) for entry in around.history]
    assert losses[-1] < losses[0] / 2
