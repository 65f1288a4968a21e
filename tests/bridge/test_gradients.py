"""Accumulated gradients against one backward pass a sample, and against what theory says of the Fisher."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch.nn import functional as F

from compressor.bridge import OnnxModule, from_onnx
from compressor.bridge.gradients import accumulate
from compressor.errors import UsageError
from compressor.models.demo import demo_model_path, load_digits
from tests.bridge.exported import exported


@dataclass(frozen=True)
class Batch:
    """Samples."""

    inputs: tuple[NDArray[Any], ...]
    labels: NDArray[Any] | None


def digit_batches(count: int = 12, size: int = 5, labelled: bool = True) -> list[Batch]:
    """Pictures of which the last batch is smaller."""
    pictures, labels = (array[:count] for array in load_digits("train"))
    starts = range(0, count, size)
    return [Batch((pictures[i : i + size],), labels[i : i + size] if labelled else None) for i in starts]


def linear(width: int = 4, classes: int = 3, shape_of_batch: bool = False) -> OnnxModule:
    """x [n, width] -> x w [n, classes]; with a Reshape to a size that is computed from values, if asked."""
    weight = np.random.default_rng(0).standard_normal((width, classes)).astype(np.float32)
    tensors = [numpy_helper.from_array(weight, "w")]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y" if not shape_of_batch else "z"], "only")]
    if shape_of_batch:
        nodes += [
            helper.make_node("ReduceSum", ["z"], ["total"], "total", keepdims=0),
            helper.make_node("Mul", ["total", "none"], ["nothing"], "nothing"),
            helper.make_node("Cast", ["nothing"], ["start"], "start", to=onnx.TensorProto.INT64),
            helper.make_node("Unsqueeze", ["start", "first"], ["starts"], "starts"),
            helper.make_node("Slice", ["z", "starts", "ends", "last"], ["y"], "slice"),
        ]
        tensors += [
            numpy_helper.from_array(np.array(0, np.float32), "none"), numpy_helper.from_array(np.array([0]), "first"),
            numpy_helper.from_array(np.array([classes]), "ends"), numpy_helper.from_array(np.array([1]), "last"),
        ]  # fmt: skip
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", width])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", classes])
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    return from_onnx(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))


def by_hand(batches: list[Batch]) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """One sample after the other, in evaluation mode, by nothing but autograd."""
    module = from_onnx(demo_model_path(batchnorm=True))
    sums: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    for batch in batches:
        assert batch.labels is not None
        for picture, label in zip(batch.inputs[0], batch.labels, strict=True):
            module.zero_grad()
            F.cross_entropy(module(torch.from_numpy(picture[None])), torch.tensor([label])).backward()
            for name, parameter in module.named_parameters():
                assert parameter.grad is not None
                gradient = parameter.grad.double().numpy()
                total, square = sums.get(name, (0.0, 0.0))
                sums[name] = (total + gradient, square + gradient**2)
    return sums


def close(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Equal up to rounding, relative to the largest."""
    return bool(np.abs(left - right).max() <= 1e-4 * np.abs(right).max())


def test_by_vmap_and_by_hand_agree() -> None:
    found = accumulate(from_onnx(demo_model_path(batchnorm=True)), digit_batches(), squares="sample")
    wanted = by_hand(digit_batches())
    assert (found.method, found.samples) == ("vmap", 12)
    assert found.sums.keys() == wanted.keys()
    for name, (total, square) in found.sums.items():
        assert close(total, wanted[name][0]), name
        assert close(square, wanted[name][1]), name
        assert total.dtype == np.float32


def test_by_batch_sums_agree_and_squares_are_smaller() -> None:
    by_batch = accumulate(from_onnx(demo_model_path(batchnorm=True)), digit_batches())
    wanted = by_hand(digit_batches())
    assert by_batch.method == "batch"
    for name, (total, square) in by_batch.sums.items():
        assert close(total, wanted[name][0]), name
        assert (square <= wanted[name][1] * (1 + 1e-3) + 1e-9).all(), name
    singles = accumulate(from_onnx(demo_model_path(batchnorm=True)), digit_batches(size=1))
    assert all(close(square, wanted[name][1]) for name, (_, square) in singles.sums.items())


def test_where_vmap_cannot_go_samples_go_one_by_one() -> None:
    rng = np.random.default_rng(1)
    batches = [Batch((rng.standard_normal((6, 4)).astype(np.float32),), rng.integers(0, 3, 6)) for _ in range(2)]
    plain = accumulate(linear(), batches, squares="sample")
    awkward = accumulate(linear(shape_of_batch=True), batches, squares="sample")
    assert (plain.method, awkward.method) == ("vmap", "one by one")
    for left, right in zip(plain.sums["w"], awkward.sums["w"], strict=True):
        assert close(left, right)
    assert plain.loss == pytest.approx(awkward.loss)


@pytest.mark.parametrize("squares", ["sample", "batch"])
def test_labels_of_the_models_own_give_the_true_fisher(squares: Any) -> None:
    """E[g] = 0 and, for a linear softmax model, E[g²] = mean of x² p (1 - p)."""
    module, rng = linear(), np.random.default_rng(2)
    points = rng.standard_normal((5, 4)).astype(np.float32)
    rows = np.tile(points, (800, 1))
    size = 1 if squares == "batch" else len(rows)
    batches = [Batch((rows[start : start + size],), None) for start in range(0, len(rows), size)]
    found = accumulate(module, batches, labels="sampled", squares=squares, seed=3)
    chances = module(torch.from_numpy(points)).softmax(1).detach().numpy()
    wanted = np.einsum("ni,nj->ij", points**2, chances * (1 - chances)) / 5
    total, square = (part / found.samples for part in found.sums["w"])
    noise = np.sqrt(wanted / found.samples)
    assert (np.abs(total) < 5 * noise).all()
    assert np.allclose(square, wanted, rtol=0.15, atol=0.01)


def test_sampled_labels_depend_on_the_seed_alone() -> None:
    batches = digit_batches(labelled=False)
    results = [
        accumulate(from_onnx(demo_model_path(batchnorm=True)), batches, labels="sampled", squares="sample", seed=seed)
        for seed in (0, 0, 1)
    ]
    first, again, other = (next(iter(result.sums.values()))[1] for result in results)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_values_have_normal_labels() -> None:
    points = np.random.default_rng(0).standard_normal((3000, 4)).astype(np.float32)
    values = np.zeros((3000, 3), np.float32)  # only says that labels are values
    found = accumulate(linear(), [Batch((points,), values)], labels="sampled", squares="sample")
    # loss = mean of (output - label)² over 3 values: g = 2/3 x noise, E[g²] = 4/9 E[x²] = 4/9
    assert found.loss == pytest.approx(1.0, abs=0.1)
    assert np.allclose(found.sums["w"][1] / 3000, 4 / 9, rtol=0.15)


def test_the_module_is_left_alone() -> None:
    module = from_onnx(demo_model_path(batchnorm=True)).train()
    first = next(module.parameters()).requires_grad_(False)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    accumulate(module, digit_batches())
    assert module.training
    assert not first.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert all(parameter.grad is None for parameter in module.parameters())


def test_a_loss_of_ones_own() -> None:
    batches = digit_batches()
    module = from_onnx(demo_model_path(batchnorm=True))
    doubled = accumulate(module, batches, loss=lambda output, labels: 2 * F.cross_entropy(output, labels))
    plain = accumulate(module, batches)
    assert doubled.loss == pytest.approx(2 * plain.loss, rel=1e-5)


@pytest.mark.parametrize(
    ("batches", "options", "said"),
    [
        ([], {}, "there are no samples"),
        (digit_batches(labelled=False), {}, "the data has no labels"),
        (digit_batches(), {"labels": "drawn"}, "labels 'drawn'"),
        ([Batch((np.full((2, 1, 8, 8), np.nan, np.float32),), np.array([0, 1]))], {}, "the loss is nan"),
    ],
)
def test_what_cannot_be_done(batches: list[Batch], options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        accumulate(from_onnx(demo_model_path(batchnorm=True)), batches, **options)


def test_a_transformer_is_squared_by_vmap_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    module = from_onnx(exported("vit"))
    pictures = np.random.default_rng(0).standard_normal((4, 3, 32, 32)).astype(np.float32)
    found = accumulate(module, [Batch((pictures,), np.arange(4))], squares="sample")
    assert found.method == "vmap"
    assert not [warning for warning in recwarn if "vmap" in str(warning.message)]
