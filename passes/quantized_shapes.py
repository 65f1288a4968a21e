"""Output shapes of com.microsoft's quantised ops, which carry a scale and a zero point beside each tensor.

Source: ONNX Runtime's ContribOperators.md. As in ``contrib_shapes.py``; None where the shape is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from compressor.passes.contrib_shapes import Shape, ShapeRule, Shapes


def _given(shapes: Shapes, *slots: int) -> list[Shape]:
    return [shape for slot in slots if (shape := shapes[slot]) is not None]


def _broadcast(*slots: int) -> ShapeRule:
    return lambda shapes, _: [np.broadcast_shapes(*_given(shapes, *slots))]


def _first(shapes: Shapes, _: Mapping[str, Any]) -> list[Shape] | None:
    return _given(shapes, 0)


def _concat(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape] | None:
    parts = _given(shapes, *range(2, len(shapes), 3))
    axis = attrs["axis"] % len(parts[0])
    joined = list(parts[0])
    joined[axis] = sum(part[axis] for part in parts)
    return [tuple(joined)]


def _global_pool(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape] | None:
    (x,) = _given(shapes, 0)
    ones = (1,) * (len(x) - 2)
    return [(x[0], *ones, x[-1]) if attrs.get("channels_last", 0) else (x[0], x[1], *ones)]


def _pool(shapes: Shapes, attrs: Mapping[str, Any]) -> list[Shape] | None:
    (x,) = _given(shapes, 0)
    last = attrs.get("channels_last", 0)
    space = x[1:-1] if last else x[2:]
    if attrs.get("ceil_mode", 0):  # whether a window that starts in the padding counts depends on the version
        return None
    strides, pads = attrs.get("strides", [1] * len(space)), attrs.get("pads", [0] * (2 * len(space)))
    out = [
        -(-size // step) if attrs.get("auto_pad", "NOTSET").startswith("SAME") else (size + pad - window) // step + 1
        for size, step, window, pad in zip(
            space, strides, attrs["kernel_shape"], np.add(*np.split(np.asarray(pads), 2)).tolist(), strict=True
        )
    ]
    return [(x[0], *out, x[-1]) if last else (x[0], x[1], *out)]


QUANTIZED_SHAPES: dict[str, ShapeRule] = {
    **dict.fromkeys(("QLinearAdd", "QLinearMul"), _broadcast(0, 3)),
    "QLinearWhere": _broadcast(0, 1, 4),
    **dict.fromkeys(("QLinearSigmoid", "QLinearLeakyRelu", "QLinearSoftmax"), _first),
    "QLinearConcat": _concat,
    "QLinearGlobalAveragePool": _global_pool,
    "QLinearAveragePool": _pool,
}
