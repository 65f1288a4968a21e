"""Regions, sampling, spectra and losses against ONNX Runtime; gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto

from tests.bridge.one_node import Array, arguments, compare_with_runtime, module_of

RNG = np.random.default_rng(6)


def _random(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


BOXES = np.array([[0, 0, 9.5, 6.2], [-3, 2, 14, 30], [4, 4, 4, 4], [5.5, 1.5, 2, 8]], np.float32)
PICTURES = np.array([0, 1, 1, 0], np.int64)


@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "output_half_pixel"])
def test_roi_align(ratio: int, mode: str, coordinates: str) -> None:
    attributes = {
        "output_height": 3, "output_width": 2, "sampling_ratio": ratio, "mode": mode, "spatial_scale": 0.5,
        "coordinate_transformation_mode": coordinates,
    }  # fmt: skip
    compare_with_runtime("RoiAlign", [np.abs(_random(2, 3, 9, 11)), BOXES, PICTURES], attributes, opset=16)


def test_max_roi_pool() -> None:
    rois = np.concatenate([PICTURES[:, None].astype(np.float32), BOXES], 1)
    attributes = {"pooled_shape": [3, 2], "spatial_scale": 0.5}
    compare_with_runtime("MaxRoiPool", [_random(2, 3, 9, 11), rois], attributes)


@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("aligned", [0, 1])
def test_grid_sample(mode: str, padding: str, aligned: int) -> None:
    inputs = [_random(2, 3, 5, 6), RNG.uniform(-1.3, 1.3, (2, 4, 3, 2)).astype(np.float32)]
    attributes = {"mode": mode, "padding_mode": padding, "align_corners": aligned}
    compare_with_runtime("GridSample", inputs, attributes, opset=20)


def _deformable(groups: int, kind: Any) -> list[Array]:
    taps = 3 * 2 * 2  # of two offset groups
    values = [
        _random(2, 4, 6, 7), _random(6, 4 // groups, 3, 2), _random(2, 2 * taps, 3, 6), _random(6),
        RNG.uniform(0, 1, (2, taps, 3, 6)).astype(np.float32),
    ]  # fmt: skip
    return [value.astype(kind) for value in values]


@pytest.mark.parametrize("groups", [1, 2])
def test_deform_conv(groups: int) -> None:
    attributes = {"strides": [2, 1], "pads": [1, 0, 1, 0], "group": groups, "offset_group": 2}
    compare_with_runtime("DeformConv", _deformable(groups, np.float32), attributes, atol=1e-4)


def test_gradients_of_deform_conv() -> None:
    attributes = {"strides": [2, 1], "pads": [1, 0, 1, 0], "group": 2, "offset_group": 2}
    inputs = _deformable(2, np.float64)
    module = module_of("DeformConv", inputs, attributes)
    assert torch.autograd.gradcheck(module, [t.requires_grad_() for t in arguments(inputs)], fast_mode=True)


def test_gradients_of_roi_align() -> None:
    inputs = [_random(2, 2, 6, 7).astype(np.float64), BOXES.astype(np.float64), PICTURES]
    module = module_of("RoiAlign", inputs, {"output_height": 2, "output_width": 2, "spatial_scale": 0.5})
    x, boxes, pictures = arguments(inputs)
    assert torch.autograd.gradcheck(lambda values: module(values, boxes, pictures), [x.requires_grad_()])


@pytest.mark.parametrize("attributes", [{}, {"onesided": 1}, {"inverse": 1}])
def test_dft(attributes: dict[str, Any]) -> None:
    parts = 1 if "onesided" in attributes else 2
    inputs = [_random(2, 9, 4, parts), np.array(12, np.int64), np.array(1, np.int64)]
    compare_with_runtime("DFT", inputs, attributes, opset=20, constants=(1, 2))
    compare_with_runtime("DFT", inputs[:2], {**attributes, "axis": 1}, opset=17, constants=(1,))


@pytest.mark.parametrize("onesided", [0, 1])
def test_stft(onesided: int) -> None:
    window = RNG.uniform(0, 1, 8).astype(np.float32)
    inputs = [_random(2, 40, 1), np.array(5, np.int64), window, np.array(8, np.int64)]
    compare_with_runtime("STFT", inputs, {"onesided": onesided}, opset=17, constants=(1, 2, 3), atol=1e-4)


def test_mel_weights() -> None:
    numbers = [np.array(v, k) for v, k in ((20, np.int64), (64, np.int64), (16000, np.int64), (20.0, np.float32))]
    inputs = [*numbers, np.array(7000.0, np.float32)]
    compare_with_runtime("MelWeightMatrix", inputs, types=(TensorProto.FLOAT,))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("ignored", [None, 2])
def test_cross_entropy(reduction: str, ignored: int | None) -> None:
    labels = RNG.integers(0, 5, (3, 4, 2)).astype(np.int64)
    inputs = [_random(3, 5, 4, 2), labels, RNG.uniform(0.5, 2, 5).astype(np.float32)]
    attributes = {"reduction": reduction} | ({} if ignored is None else {"ignore_index": ignored})
    compare_with_runtime("SoftmaxCrossEntropyLoss", inputs, attributes, outputs=2, opset=13)


def test_gradients_of_attention_with_a_masked_row() -> None:
    inputs: list[Array] = [_random(1, 2, 3, 4).astype(np.float64) for _ in range(3)]
    mask = np.array([[True, True, False], [False, False, False], [True, True, True]])
    module = module_of("Attention", [*inputs, mask], {"softcap": 3.0}, opset=23)
    *tensors, seen = arguments([*inputs, mask])
    assert not module(*tensors, seen)[:, :, 1].any()
    assert torch.autograd.gradcheck(lambda q, k, v: module(q, k, v, seen), [t.requires_grad_() for t in tensors])
