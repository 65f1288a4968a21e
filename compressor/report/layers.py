"""Two model files, layer by layer: channels, parameters, multiply-accumulates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import onnx_graphsurgeon as gs

from compressor.backends.base import Array
from compressor.errors import GraphError, UsageError
from compressor.why.network import HEAVY, Network, Widths


@dataclass(frozen=True)
class Work:
    """What a layer holds and does.

    Attributes:
        widths: (input, output) channels, None where they are unknown.
        params: numbers in its constants.
        macs: multiply-accumulates of a run, 0 where they are unknown.
    """

    widths: Widths | None
    params: int
    macs: int


@dataclass(frozen=True)
class Layer:
    """A convolution or a product, in one model or both.

    Attributes:
        name: of its node, or of its output where that has none.
        op: its operator.
        before, after: None where the model has no such layer.
    """

    name: str
    op: str
    before: Work | None
    after: Work | None


def compare_layers(before: Path, after: Path, dims: Mapping[str, int] | None = None) -> list[Layer]:
    """The layers of two forms of one network, in the order of the first.

    Args:
        before: an ONNX file.
        after: the same network with fewer channels.
        dims: sizes of symbolic dimensions, for the multiply-accumulates; 1 where nothing is said.

    Raises:
        ModelFileError: a file cannot be read.
        UsageError: the two are not forms of one network.
    """
    networks = [Network.read(before), Network.read(after)]
    first, second = (_layers(network, dims or {}) for network in networks)
    shared = len(first.keys() & second.keys())
    if shared < 0.5 * max(len(first), len(second)):
        counts = f"{shared} of {max(len(first), len(second))} convolutions and products have the same name in both"
        raise UsageError(
            f"{after} is not {before} with fewer channels: {counts}",
            fix="Give a model and what `compressor compress` made of it.",
        )
    ops = {name: op for found in (second, first) for name, (op, _) in found.items()}
    names = dict.fromkeys([*first, *second])
    return [Layer(name, ops[name], _work(first, name), _work(second, name)) for name in names]


_Found = dict[str, tuple[str, Work]]


def _work(found: _Found, name: str) -> Work | None:
    return found[name][1] if name in found else None


def _layers(network: Network, dims: Mapping[str, int]) -> _Found:
    try:
        shapes = network.shapes(_empty_feeds(network.graph, dims))
    except GraphError:  # sizes of 1 do not fit every graph; weights have shapes anyway
        shapes = {
            tensor.name: tuple(tensor.shape)
            for tensor in network.graph.tensors().values()
            if isinstance(tensor, gs.Constant)
        }
    heavy = network.heavy()
    found: _Found = {}
    for node in network.graph.nodes:
        tensor = node.outputs[0].name if node.outputs else ""
        if node.op in HEAVY and tensor in heavy:
            params = sum(prod(one.shape) for one in node.inputs if isinstance(one, gs.Constant))
            work = Work(network.widths(tensor, shapes), params, network.macs(tensor, shapes))
            found[_name(node, found)] = (node.op, work)
    return found


def _name(node: gs.Node, taken: Collection[str]) -> str:
    """Of a node, else of its weight: folding keeps both, but not always the output's."""
    weights = [one.name for one in node.inputs if isinstance(one, gs.Constant) and len(one.shape) > 1]
    name = str(node.name or (weights or [node.outputs[0].name])[0])
    return name if name not in taken else f"{name} #{sum(one.split(' #')[0] == name for one in taken) + 1}"


def _empty_feeds(graph: gs.Graph, dims: Mapping[str, int]) -> dict[str, Array]:
    """Arrays that have shapes only."""
    found = {}
    for tensor in graph.inputs:
        sizes = [size if isinstance(size, int) and size > 0 else dims.get(str(size), 1) for size in tensor.shape or ()]
        found[tensor.name] = np.broadcast_to(np.zeros((), np.float32), sizes)
    return found
