"""Convolutions, pools, norms and resampling against ONNX Runtime where ONNX's own cases do not look; gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.bridge.one_node import Array, compare_with_runtime, module_of

RNG = np.random.default_rng(1)


def _random(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    "attributes",
    [
        {"pads": [0, 1, 2, 1], "strides": [2, 1]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 3]},
        {"auto_pad": "SAME_LOWER", "strides": [1, 2]},
        {"auto_pad": "VALID", "group": 2},
    ],
)
@pytest.mark.parametrize("computed_weight", [False, True])
def test_conv(attributes: dict[str, Any], computed_weight: bool) -> None:
    inputs = [_random(2, 4, 9, 8), _random(6, 4 // attributes.get("group", 1), 3, 2), _random(6)]
    compare_with_runtime("Conv", inputs, attributes, constants=(2,) if computed_weight else (1, 2))


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [0, 1, 2, 0]},
        {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 1, 1, 1]},
        {"kernel_shape": [2, 2], "strides": [3, 3], "auto_pad": "SAME_LOWER"},
        {"kernel_shape": [2, 3], "dilations": [2, 2]},
        {"kernel_shape": [3], "strides": [2]},
        {"kernel_shape": [2, 2, 2], "strides": [2, 1, 2]},
    ],
)
def test_pools(op: str, attributes: dict[str, Any]) -> None:
    x = _random(2, 3, *(7 + i for i in range(len(attributes["kernel_shape"]))))
    compare_with_runtime(op, [x], attributes, opset=19 if op != "LpPool" else 18)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_before_opset_13_takes_trailing_axes_as_one(op: str, axis: int) -> None:
    compare_with_runtime(op, [_random(2, 3, 4)], {"axis": axis}, opset=11)


@pytest.mark.parametrize("sizes", [(6, 10), (3, 3), (1, 13)])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"])
def test_resize_to_sizes(sizes: tuple[int, int], mode: str, coordinates: str) -> None:
    inputs = [_random(1, 2, 4, 5), None, None, np.array([1, 2, *sizes], np.int64)]
    attributes = {"mode": mode, "coordinate_transformation_mode": coordinates}
    compare_with_runtime("Resize", inputs, attributes, constants=(3,))
    compare_with_runtime("Resize", inputs, attributes)


@pytest.mark.parametrize("opset", [10, 11, 19])
@pytest.mark.parametrize("scales", [(2.0, 2.0), (0.7, 1.6), (3.0, 0.5)])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_resize_by_scales(opset: int, scales: tuple[float, float], mode: str) -> None:
    factors = np.array([1, 1, *scales], np.float32)
    regions: dict[int, list[Array | None]] = {10: [], 11: [np.zeros(0, np.float32)], 19: [None]}
    inputs = [_random(1, 2, 10, 5), *regions[opset], factors]
    compare_with_runtime("Resize", inputs, {"mode": mode}, opset=opset, constants=range(1, len(inputs)))


@pytest.mark.parametrize("opset", [11, 12])
@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_resize_as_older_tensorflow_did(opset: int, factor: float) -> None:
    inputs = [_random(1, 1, 6, 5), np.zeros(0, np.float32), np.array([1, 1, factor, factor], np.float32)]
    attributes = {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor"}
    compare_with_runtime("Resize", inputs, attributes, opset=opset, constants=(1, 2))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64])
def test_resize_of_whole_numbers(dtype: type) -> None:
    values: Array = np.array([[[[-7, 3], [2**31 - 1, 2**62 + 1]]]], np.int64).astype(dtype)
    attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    inputs = [values, None, np.array([1, 1, 2, 3], np.float32)]
    found = module_of("Resize", inputs, attributes, constants=(2,))(torch.from_numpy(values.copy()))
    assert np.array_equal(found.numpy(), values.repeat(2, 2).repeat(3, 3))
    assert found.numpy().dtype == dtype


def test_a_linear_layer_is_one() -> None:
    inputs = [_random(3, 4), _random(5, 4), _random(5)]
    module = module_of("Gemm", inputs, {"transB": 1}, constants=(1, 2))
    assert torch.nn.functional.linear in {node.target for node in module.graph.nodes}


_DIFFERENTIABLE: list[tuple[str, list[Array], dict[str, Any]]] = [
    ("Conv", [_random(1, 2, 5, 5), _random(3, 2, 3, 3), _random(3)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ("AveragePool", [_random(1, 2, 5, 5)], {"kernel_shape": [2, 2], "pads": [0, 1, 1, 0]}),
    ("LpPool", [_random(1, 2, 5, 5)], {"kernel_shape": [2, 2], "p": 3}),
    ("GlobalMaxPool", [_random(2, 2, 3, 3)], {}),
    ("LRN", [_random(1, 4, 2, 2)], {"size": 3}),
    ("MeanVarianceNormalization", [_random(2, 3, 2, 2)], {}),
    ("InstanceNormalization", [_random(2, 3, 4), _random(3), _random(3)], {}),
    ("LayerNormalization", [_random(2, 3, 4), _random(3, 4), _random(4)], {"axis": 1}),
    ("RMSNormalization", [_random(2, 3, 4), _random(4)], {}),
    ("Gemm", [_random(3, 2), _random(3, 4), _random(2, 1)], {"transA": 1, "alpha": 0.5, "beta": 2.0}),
    ("LpNormalization", [_random(2, 3)], {"p": 2}),
    ("Celu", [_random(2, 3)], {"alpha": 2.0}),
    ("Swish", [_random(2, 3)], {"alpha": 2.0}),
]


@pytest.mark.parametrize(("op", "inputs", "attributes"), _DIFFERENTIABLE, ids=[case[0] for case in _DIFFERENTIABLE])
def test_gradients(op: str, inputs: list[Array], attributes: dict[str, Any]) -> None:
    doubles = [value.astype(np.float64) for value in inputs]
    module = module_of(op, doubles, attributes, opset=24)
    tensors = [torch.from_numpy(value).requires_grad_() for value in doubles]
    assert torch.autograd.gradcheck(module, tensors)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_gradients_of_exact_resize(mode: str) -> None:
    inputs: list[Array | None] = [_random(1, 1, 4, 4).astype(np.float64), None, np.array([1, 1, 0.6, 1.5], np.float32)]
    module = module_of("Resize", inputs, {"mode": mode, "antialias": 1}, constants=(2,))
    assert inputs[0] is not None
    assert torch.autograd.gradcheck(module, [torch.from_numpy(inputs[0]).requires_grad_()])


@pytest.mark.parametrize(
    "attributes",
    [
        {"strides": [2, 3], "pads": [1, 0, 1, 0], "output_padding": [1, 0]},
        {"strides": [2, 2], "pads": [0, 1, 2, 1], "group": 2},
        {"strides": [3, 2], "output_shape": [13, 9]},
        {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"dilations": [2, 1], "pads": [2, 2, 0, 1]},
    ],
)
@pytest.mark.parametrize("constants", [(), (1,)])
def test_conv_transpose(attributes: dict[str, Any], constants: tuple[int, ...]) -> None:
    inputs = [_random(2, 4, 5, 4), _random(4, 3, 3, 2), _random(3 * attributes.get("group", 1))]
    compare_with_runtime("ConvTranspose", inputs, attributes, constants=constants)
