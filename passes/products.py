"""Nodes that multiply an activation by a weight, seen as matrix products: y = W r + b for each row r of inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.passes.analysis import Analysis, is_float
from compressor.passes.labels import Labels
from compressor.passes.recovery.windows import window_of
from compressor.passes.shape_values import Array

_CONVOLUTIONS = {"Conv", "FusedConv"}
_MATRICES = {"MatMul", "FusedMatMul", "Gemm"}


@dataclass(frozen=True)
class Sliding:
    """How a convolution slides: sizes of its kernel, and the node's attributes, lists as tuples."""

    kernel: tuple[int, ...]
    attributes: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Product:
    """One such node of the main graph.

    Rows have ``channels / groups * taps`` numbers, channel by channel, in each group.

    Attributes:
        node: its number in the analysis; ``name`` its name.
        data, weight: input slots.
        tensor: name of the activation.
        initializer: name of the weight.
        channel_axis: of the activation, counted from the start for convolutions and from the end for matrices.
        in_axis: of the weight, along which channels are summed.
        groups: of a convolution, else 1.
        sliding: of a convolution; None for matrices and for a transposed convolution, whose taps count as outputs.
    """

    node: int
    name: str
    data: int
    weight: int
    tensor: str
    initializer: str
    channel_axis: int
    in_axis: int
    groups: int = 1
    sliding: Sliding | None = None

    @property
    def taps(self) -> int:
        """Numbers of a row that come from one channel."""
        return int(np.prod(self.sliding.kernel)) if self.sliding else 1

    def covariance_bytes(self, analysis: Analysis) -> int:
        """Of float64 [groups, numbers of a row, numbers of a row]."""
        width = analysis.probes[0].shapes[self.tensor][self.channel_axis] // self.groups * self.taps
        return 8 * self.groups * width * width

    def matrices(self, values: Array) -> Array:
        """The weight as [groups, outputs, numbers of a row]; a view where possible."""
        if self.sliding is not None:  # [O, C/g, k...]
            return values.reshape(self.groups, values.shape[0] // self.groups, -1)
        if values.ndim > 2:  # transposed convolution, [C, O/g, k...]
            blocks = values.reshape(self.groups, values.shape[0] // self.groups, -1)
            return blocks.transpose(0, 2, 1)
        return (values if self.in_axis == 1 else values.T)[None]

    def channel_factors(self, numbers: Array, shape: tuple[int, ...]) -> Array:
        """A number for each channel of the activation, spread to multiply a weight of this ``shape``."""
        spread = [1] * len(shape)
        if self.groups > 1 and self.in_axis == 1:  # [O, C/g, ...]: the channels differ from group to group
            by_group = numbers.reshape(self.groups, -1).repeat(shape[0] // self.groups, axis=0)
            return by_group.reshape(shape[0], shape[1], *spread[2:])
        spread[self.in_axis] = numbers.size
        return numbers.reshape(spread)

    def rows(self, activation: Array, most: int | None = None) -> Array:
        """[groups, rows, numbers of a row]: what each output position is computed from.

        Args:
            activation: [N, C, ...] for convolutions, [..., C] or [..., C, M] for matrices.
            most: positions of one sample to take at most; None takes all.
        """
        if self.sliding is not None:
            return _rows_of_windows(activation, self.sliding, self.groups, most)
        moved = np.moveaxis(activation, self.channel_axis, -1)
        flat = moved.reshape(moved.shape[0], -1, moved.shape[-1]) if moved.ndim > 2 else moved[:, None, :]
        flat = flat[:, _spread(flat.shape[1], most)]
        return flat.reshape(-1, self.groups, moved.shape[-1] // self.groups).transpose(1, 0, 2)

    def row_labels(self, analysis: Analysis) -> Labels:
        """Int64 [groups, numbers of a row]: the label of the channel that each number comes from."""
        labels = analysis.state.tensors[self.tensor][self.channel_axis]
        return np.repeat(analysis.state.store.resolve(labels), self.taps).reshape(self.groups, -1)

    def output_labels(self, analysis: Analysis) -> Labels:
        """Int64 [groups, outputs]: the label of the channel that each row of ``matrices`` makes."""
        axes = analysis.state.uses[self.node, self.weight]
        labels = analysis.state.store.resolve(axes[1 - self.in_axis])
        if self.in_axis == 0 and len(axes) > 2:  # transposed: every group makes O/g channels, each with its taps
            labels = analysis.state.store.resolve(
                analysis.state.tensors[analysis.nodes[self.node].outputs[0].name][self.channel_axis]
            )
            labels = np.repeat(labels, int(np.prod([axis.size for axis in axes[2:]])))
        return labels.reshape(self.groups, -1)


def products_of(analysis: Analysis) -> list[Product]:
    """All of the main graph, in order; those inside bodies run an unknown number of times and are left out."""
    top = {id(node) for node in analysis.graph.nodes}
    found = []
    for number, node in enumerate(analysis.nodes):
        product = _product(analysis, number, node) if id(node) in top else None
        if (
            product is not None
            and is_float(analysis.probes[0], product.initializer)
            and product.tensor in analysis.state.tensors
        ):
            found.append(product)
    return found


def _product(analysis: Analysis, number: int, node: gs.Node) -> Product | None:
    if node.op in _CONVOLUTIONS and _reads(node, 0, 1):
        return _convolution(analysis, number, node)
    if node.op == "ConvTranspose" and _reads(node, 0, 1):
        return Product(number, node.name, 0, 1, *_names(node, 0, 1), 1, 0, int(node.attrs.get("group", 1)))
    if node.op in _MATRICES and _reads(node, 0, 1) and len(node.inputs[1].shape) == 2:
        in_axis = 1 if node.attrs.get("transB", 0) else 0
        channel_axis = -2 if node.attrs.get("transA", 0) else -1
        if node.op == "FusedMatMul" and (node.attrs.get("transBatchA", 0) or node.attrs.get("transBatchB", 0)):
            return None
        return Product(number, node.name, 0, 1, *_names(node, 0, 1), channel_axis, in_axis)
    if node.op == "MatMul" and _reads(node, 1, 0) and len(node.inputs[0].shape) == 2:
        rank = len(analysis.probes[0].shapes.get(node.inputs[1].name, ()))
        return Product(number, node.name, 1, 0, *_names(node, 1, 0), -2 if rank > 1 else -1, 1)
    return None


def _reads(node: gs.Node, data: int, weight: int) -> bool:
    return isinstance(node.inputs[weight], gs.Constant) and not isinstance(node.inputs[data], gs.Constant)


def _names(node: gs.Node, data: int, weight: int) -> tuple[str, str]:
    return node.inputs[data].name, node.inputs[weight].name


def _convolution(analysis: Analysis, number: int, node: gs.Node) -> Product:
    attributes = tuple((key, tuple(v) if isinstance(v, list) else v) for key, v in sorted(node.attrs.items()))
    sliding = Sliding(tuple(int(size) for size in node.inputs[1].shape[2:]), attributes)
    return Product(number, node.name, 0, 1, *_names(node, 0, 1), 1, 1, int(node.attrs.get("group", 1)), sliding)


def _rows_of_windows(x: Array, sliding: Sliding, groups: int, most: int | None) -> Array:
    """[groups, N * positions, C/g * taps]; only the positions taken are ever copied."""
    window = window_of(dict(sliding.attributes), x.shape, sliding.kernel)
    spans = [(k - 1) * d + 1 for k, d in zip(window.kernel, window.dilations, strict=True)]
    sizes = [n + low + high for n, (low, high) in zip(x.shape[2:], window.pads, strict=True)]
    positions = int(np.prod([(n - s) // t + 1 for n, s, t in zip(sizes, spans, window.strides, strict=True)]))
    chosen = (np.arange(len(x))[:, None] * positions + _spread(positions, most)).reshape(-1)
    return window.rows(x, chosen).reshape(chosen.size, groups, -1).transpose(1, 0, 2)


def _spread(count: int, most: int | None) -> NDArray[np.int64]:
    """Positions out of ``count``: all, or ``most`` drawn without regard to rows and columns, always the same."""
    if most is None or count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(count).choice(count, most, replace=False))
