"""How far rounding alone may move an output: the absolute floor under a relative tolerance.

An output whose terms cancel to nearly nothing holds little but rounding errors, and two models that sum in
another order differ there by as much as the output is large. Its own magnitude then says nothing; what
counts is the magnitude of what was summed. So the model runs a few times more, with every activation that a
node reads moved by up to one unit in the last place, each number on its own (Monte Carlo arithmetic: D. S.
Parker, "Monte Carlo Arithmetic: exploiting randomness in floating-point arithmetic", 1997). The largest change
of an output is what one rounding of all that went into it does, cancelled or not.

An output that does not cancel moves by a few units in its last place, far below its tolerance, so the floor
changes nothing there. Where noise flips a decision (a rounding to integers, an ArgMax) an output may jump by any
amount; therefore the floor is never more than ``_MOST_ROUNDINGS`` units in the last place of the largest number
on the way. A wrong cut leaves out or adds whole terms, which is millions of such units.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TypeAlias

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from compressor.backends.base import Array, Session
from compressor.errors import BackendError
from compressor.graph_copy import copy_graph
from compressor.graph_edit import replace_input

Opener: TypeAlias = Callable[[gs.Graph, Sequence[str]], AbstractContextManager[Session]]
# A sum in another order rounds each partial sum anew: more than once, but far from 16 times the worst draw.
_TIMES_THE_NOISE = 16
_MOST_ROUNDINGS = 64
_DRAWS = 3
_UNITS: dict[int, float] = {
    onnx.TensorProto.FLOAT16: 2.0**-10,
    onnx.TensorProto.FLOAT: 2.0**-23,
    onnx.TensorProto.DOUBLE: 2.0**-52,
}


def rounding_floors(
    graph: gs.Graph, dtypes: Mapping[str, int], feeds: Mapping[str, Array], open_graph: Opener
) -> dict[str, float]:
    """By output, the absolute difference that rounding alone explains; 0 where nothing can be said.

    Args:
        graph: the model; not changed.
        dtypes: ONNX element types of the activations that may be moved (others, such as sizes, are left alone).
        feeds: the inputs it ran on.
        open_graph: opens a graph, given the names of more tensors to return.
    """
    moved = {name: dtype for name, dtype in dtypes.items() if dtype in _UNITS}
    inner = list(dict.fromkeys(t.name for node in graph.nodes for t in node.outputs if t.name in moved))
    outputs = {tensor.name for tensor in graph.outputs}
    with open_graph(graph, [name for name in inner if name not in outputs]) as session:
        values = session.run(feeds)
    largest = max((_largest(values[name]) * _UNITS[moved[name]] for name in inner if name in values), default=0.0)
    noise = dict.fromkeys(outputs, 0.0)
    try:
        with open_graph(_with_noise(graph, moved), []) as session:
            for _ in range(_DRAWS):
                for name, value in session.run(feeds).items():
                    noise[name] = max(noise[name], _gap(value, values[name]))
    except BackendError:  # sizes that hang on the values: what rounding does to this model cannot be measured
        return dict.fromkeys(outputs, 0.0)
    return {name: min(_TIMES_THE_NOISE * found, _MOST_ROUNDINGS * largest) for name, found in noise.items()}


def _with_noise(graph: gs.Graph, dtypes: Mapping[str, int]) -> gs.Graph:
    """A copy in which every node reads each activation times 1 + unit * r, r uniform in [-1, 1] for each number."""
    noisy = copy_graph(graph)
    nodes: list[gs.Node] = []
    for number, node in enumerate(noisy.nodes):
        for slot, tensor in enumerate(node.inputs):
            if isinstance(tensor, gs.Variable) and tensor.name in dtypes:
                added = _moved(tensor, dtypes[tensor.name], f"noise_{number}_{slot}", seed=len(nodes))
                replace_input(node, slot, added[-1].outputs[0])
                nodes += added
        nodes.append(node)
    noisy.nodes = nodes
    return noisy


def _moved(tensor: gs.Tensor, dtype: int, name: str, *, seed: int) -> list[gs.Node]:
    def step(op: str, attributes: dict[str, float | int], *inputs: gs.Tensor) -> gs.Node:
        result = gs.Variable(f"{name}_{op.lower()}")
        return gs.Node(op, result.name, attributes, list(inputs), [result])

    limits = {"low": -1.0, "high": 1.0, "seed": float(seed), "dtype": int(onnx.TensorProto.DOUBLE)}
    random = step("RandomUniformLike", limits, tensor)
    scaled = step("Mul", {}, random.outputs[0], gs.Constant(f"{name}_unit", np.array([_UNITS[dtype]])))
    factor = step("Add", {}, scaled.outputs[0], gs.Constant(f"{name}_one", np.array([1.0])))
    narrow = step("Cast", {"to": int(dtype)}, factor.outputs[0])
    moved = step("Mul", {}, tensor, narrow.outputs[0])
    moved.name = moved.outputs[0].name = f"{name}_moved"
    return [random, scaled, factor, narrow, moved]


def _largest(value: Array) -> float:
    numbers = np.abs(value[np.isfinite(value)].astype(np.float64))
    return float(numbers.max(initial=0.0))


def _gap(value: Array, other: Array) -> float:
    if value.shape != other.shape or not np.issubdtype(value.dtype, np.floating):
        return 0.0
    with np.errstate(invalid="ignore"):
        return _largest(value.astype(np.float64) - other)
