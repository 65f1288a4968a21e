"""One layer alone, as a model of one node, timed at widths around its own: the runtime's steps are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from onnx import helper, numpy_helper

from compressor.backends.base import Array, Backend
from compressor.why.network import Network, Widths

ROUNDS = 3
SAME = 0.02  # what differs by less counts as equal
CHEAPER = 0.03  # what takes less by this counts as cheaper
_NOISY = 0.05
_LEAST_NS = 30_000  # the clocks of profiles tell whole microseconds
_REPEATS, _BLOCK_NS = 8, 20e6
_BLOCKS = (4, 8, 16, 32)
AXES = OUTPUT, INPUT, BOTH = "output", "input", "input and output"
_OPS = {"Conv", "Gemm", "MatMul"}


@dataclass(frozen=True)
class Steps:
    """The times of one layer alone at widths around its own.

    Attributes:
        axis: which channels: "output", "input", or "input and output" where they are the same (depthwise).
        width: its own.
        ms: by width: the fastest of several runs in several rounds.
        wide_as: the largest width that takes no longer, of those clearly larger than its own; else its own.
        cheaper: the largest smaller width that takes clearly less time, None where none of those tried does.
        wider_cheaper: the largest larger width that takes clearly less time.
    """

    axis: str
    width: int
    ms: dict[int, float]
    wide_as: int
    cheaper: int | None
    wider_cheaper: int | None = None

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return {**asdict(self), "ms": {str(width): ms for width, ms in self.ms.items()}}


def find_steps(
    backend: Backend, network: Network, layer: str, shapes: Mapping[str, tuple[int, ...]], axis: str,
    threads: int | None, seed: int,
) -> Steps | None:  # fmt: skip
    """Time the node that makes ``layer`` alone at its own and at neighbouring widths.

    Returns:
        None where there is no such model (a product of two activations, a grouped convolution), where it is too
        quick for the profile's clock, or where the times vary too much to tell.

    Raises:
        BackendError: the runtime does not run it.
    """
    node, widths = network.nodes[layer], network.widths(layer, shapes)
    if widths is None or node.op not in _OPS or node.inputs[1].name in network.file:
        return None
    build = _builder(node, shapes, widths, axis, network.graph.opset)
    if build is None:
        return None
    width = widths[0] if axis == INPUT else widths[1]
    times = _time_widths(backend, build, candidates(width), threads, seed)
    rounds = times[width]
    if min(rounds) < _LEAST_NS or sorted(rounds)[1] > (1 + _NOISY) * min(rounds):
        return None
    return read_steps(axis, width, {one: min(found) / 1e6 for one, found in times.items()})


def read_steps(axis: str, width: int, ms: Mapping[int, float]) -> Steps:
    """What the times say; ``ms`` is by width, ``width`` among them."""
    own = ms[width]
    wider = [other for other in ms if other >= (1 + 2 * SAME) * width]  # beyond what a time without steps would hide
    as_quick = [other for other in wider if ms[other] <= (1 + SAME) * own]
    quicker = [other for other in ms if ms[other] <= (1 - CHEAPER) * own]
    return Steps(
        axis, width, dict(sorted(ms.items())), max(as_quick, default=width),
        max((other for other in quicker if other < width), default=None),
        max((other for other in quicker if other > width), default=None),
    )  # fmt: skip


def candidates(width: int) -> list[int]:
    """The width, its neighbours, and the nearest multiples of small powers of two on both sides."""
    near = {width - 1, width, width + 1}
    near |= {width // block * block for block in _BLOCKS} | {-(-width // block) * block for block in _BLOCKS}
    near |= {(width // block - 1) * block for block in _BLOCKS[1:]}
    return sorted(one for one in near if one >= 1)


def same_work(network: Network, layer: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Equal for layers that are alike but for the values of their weights."""
    node = network.nodes[layer]
    attributes = sorted((name, str(value)) for name, value in node.attrs.items())
    return str((node.op, attributes, [shapes.get(tensor.name) for tensor in node.inputs]))


def _builder(
    node: gs.Node, shapes: Mapping[str, tuple[int, ...]], widths: Widths, axis: str, opset: int
) -> Callable[[int], onnx.ModelProto] | None:
    """Makes the one-node model for a width; None where the widths of this node cannot be chosen like that."""
    data, weight = shapes.get(node.inputs[0].name), shapes.get(node.inputs[1].name)
    if data is None or weight is None or (node.op == "MatMul" and len(weight) != 2):
        return None
    if node.inputs[1].dtype is not None and node.inputs[1].dtype != np.float32:
        return None
    groups = int(node.attrs.get("group", 1))
    depthwise = groups > 1 and groups == widths[0] == widths[1]
    if (groups > 1 and not depthwise) or (axis == BOTH) != depthwise:
        return None

    def build(width: int) -> onnx.ModelProto:
        inner, outer = (width, width) if depthwise else (width, widths[1]) if axis == INPUT else (widths[0], width)
        if node.op == "Conv":
            x, w = (data[0], inner, *data[2:]), (outer, 1 if depthwise else inner, *weight[2:])
        elif node.op == "Gemm":
            x = (inner, data[1]) if node.attrs.get("transA", 0) else (data[0], inner)
            w = (outer, inner) if node.attrs.get("transB", 0) else (inner, outer)
        else:
            x, w = (*data[:-1], inner), (inner, outer)
        attributes = {**node.attrs, "group": width} if depthwise else dict(node.attrs)
        biased = node.op != "MatMul" and len(node.inputs) > 2 and bool(node.inputs[2].name)
        return _one_node(node.op, attributes, x, w, (outer,) if biased else None, opset)

    return build


def _one_node(
    op: str, attributes: Mapping[str, Any], x: tuple[int, ...], w: tuple[int, ...], bias: tuple[int, ...] | None,
    opset: int,
) -> onnx.ModelProto:  # fmt: skip
    rng = np.random.default_rng(0)
    weights = {"w": rng.standard_normal(w, np.float32)} | ({} if bias is None else {"b": np.zeros(bias, np.float32)})
    node = helper.make_node(op, ["x", *weights], ["y"], "alone", **attributes)
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [node], "one", [helper.make_tensor_value_info("x", kind, x)], [helper.make_tensor_value_info("y", kind, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def _time_widths(
    backend: Backend, build: Callable[[int], onnx.ModelProto], widths: Iterable[int], threads: int | None, seed: int
) -> dict[int, list[float]]:
    """Nanoseconds of the layer's own kernels by width: the fastest run of each round, widths in random order."""
    order, rng = list(widths), np.random.default_rng(seed)
    found: dict[int, list[float]] = {width: [] for width in order}
    for _ in range(ROUNDS):
        for index in rng.permutation(len(order)):
            model = build(order[index])
            with backend.open(model, threads=threads, profile=True) as session:
                shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
                feeds: dict[str, Array] = {"x": np.ones(shape, np.float32)}
                once = session.time_ns(feeds, 2)[-1]
                kernels = session.kernels(feeds, int(np.clip(_BLOCK_NS / once, 2, _REPEATS)))
            own = [sum(times) for times in zip(*(k.times_ns for k in kernels if not k.added), strict=True)]
            found[order[index]].append(float(min(own)))
    return found
