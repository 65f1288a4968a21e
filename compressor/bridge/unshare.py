"""Initializers that exporters share only because they happened to be equal, given to each use of its own.

Exporters store equal constants once: the zero running means of five batch norms, the biases of layers that
have not been trained yet. Trained as one they would stay equal for ever. Weights that a model ties on purpose
(embedding and head, ALBERT's layers) hold different numbers, and stay tied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import onnx_graphsurgeon as gs

from compressor.bridge.tensor_types import FLOAT_TYPES
from compressor.graph_copy import subgraphs_of
from compressor.graph_edit import replace_input
from compressor.tensor_values import onnx_type, peek

_STATISTICS = (3, 4)


def unshare(graph: gs.Graph) -> dict[str, str]:
    """Copies, in place, of every initializer that is shared by chance; the first use keeps the original.

    Returns:
        new name -> name of the initializer that it is a copy of. The same graph gives the same names.
    """
    uses: dict[int, list[tuple[gs.Node, int]]] = {}
    tensors: dict[int, gs.Constant] = {}
    names: set[str] = set()
    for node in _nodes(graph):
        names.update(tensor.name for tensor in (*node.inputs, *node.outputs))
        for slot, tensor in enumerate(node.inputs):
            if isinstance(tensor, gs.Constant):
                uses.setdefault(id(tensor), []).append((node, slot))
                tensors[id(tensor)] = tensor
    made: dict[str, str] = {}
    for key, readers in uses.items():
        if len(readers) > 1 and _by_chance(tensors[key], readers):
            for node, slot in readers[1:]:
                name = _free(tensors[key].name, names)
                replace_input(node, slot, gs.Constant(name, tensors[key]._values))
                made[name] = tensors[key].name
    return made


def _nodes(graph: gs.Graph) -> Iterator[gs.Node]:
    for node in graph.nodes:
        yield node
        for body in subgraphs_of(node):
            yield from _nodes(body)


def _by_chance(tensor: gs.Constant, readers: list[tuple[gs.Node, int]]) -> bool:
    if onnx_type(tensor.dtype) not in FLOAT_TYPES or math.prod(tensor.shape) < 2:
        return False
    if any(node.op == "BatchNormalization" and slot in _STATISTICS for node, slot in readers):
        return True
    values = peek(tensor)
    return bool((values == values.reshape(-1)[0]).all())


def _free(name: str, taken: set[str]) -> str:
    count = 2
    while f"{name}_{count}" in taken:
        count += 1
    taken.add(f"{name}_{count}")
    return f"{name}_{count}"
