"""Nodes that compute the same at every run become initializers: weights that an exporter transposes, casts or scales.

Evaluated by ONNX's reference implementation. Only ops are folded that move numbers or do plain arithmetic, and only
where the file does not grow by it; runtimes fold the rest themselves when they open a model.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from compressor.foreign_errors import ForeignErrors, reason
from compressor.graph_copy import copy_graph
from compressor.graph_edit import detach
from compressor.model_io import to_proto
from compressor.passes.folding import STANDARD, Folding, NotFoldedError, is_floating, reads
from compressor.tensor_values import numpy_type

MOVES = frozenset({
    "Cast", "Concat", "Flatten", "Gather", "Identity", "Reshape", "Shape", "Slice", "Squeeze", "Transpose", "Unsqueeze",
})  # fmt: skip
ARITHMETIC = frozenset({"Add", "Div", "Mul", "Neg", "Reciprocal", "Sqrt", "Sub"})
FOLDED = MOVES | ARITHMETIC
_LARGEST_BYTES = 8  # of an element
GROWTH_BYTES = 64 << 10
"""What folding one node may add to a file."""


def fold_constants(graph: gs.Graph) -> Folding:
    """A copy in which nodes whose inputs are all initializers are initializers, called like their outputs.

    Nodes inside bodies of If, Loop and Scan stay, and so does what is an output of the graph.
    """
    if not any(_is_candidate(node) for node in graph.nodes):
        return Folding(graph)
    copied = copy_graph(graph)
    counts, outputs = reads(copied), {tensor.name for tensor in copied.outputs}
    folded: list[str] = []
    left: dict[str, str] = {}
    kept = []
    for node in copied.nodes:
        if not _is_candidate(node):
            kept.append(node)
            continue
        name = node.name or node.outputs[0].name
        try:
            _check(node, counts, outputs)
            values = _value(node, copied)
        except NotFoldedError as why:
            left[name] = str(why)
            kept.append(node)
            continue
        folded.append(name)
        _become(node, values, counts)
    copied.nodes = kept
    return Folding(copied if folded else graph, folded, left)


def _is_candidate(node: gs.Node) -> bool:
    given = [tensor for tensor in node.inputs if tensor.name]
    known = node.op in FOLDED and node.domain in STANDARD and len(node.outputs) == 1
    return known and bool(given) and all(isinstance(tensor, gs.Constant) for tensor in given)


def _check(node: gs.Node, counts: Counter[str], outputs: set[str]) -> None:
    """Refuse what is not shown to give the same numbers in every runtime, or what would be stored twice."""
    if node.outputs[0].name in outputs:
        raise NotFoldedError("it is an output of the model")
    given = {tensor.name: tensor for tensor in node.inputs if tensor.name}
    if any(np.dtype(tensor.dtype) == np.dtype(object) for tensor in given.values()):
        raise NotFoldedError("it handles texts")
    first = next(iter(given.values()))
    if node.op in ARITHMETIC | {"Cast"} and not (is_floating(first.dtype) and is_floating(_result_type(node))):
        raise NotFoldedError("runtimes may round whole numbers differently")
    freed = sum(_bytes(tensor) for name, tensor in given.items() if counts[name] == 1)
    growth = _upper_bound(node) - freed
    if growth > GROWTH_BYTES:
        raise NotFoldedError(f"the file would grow by up to {growth:,} bytes")


def _result_type(node: gs.Node) -> Any:
    return numpy_type(int(node.attrs["to"])) if node.op == "Cast" and "to" in node.attrs else node.inputs[0].dtype


def _upper_bound(node: gs.Node) -> int:
    """Bytes of the result at most, known before it is computed."""
    given = [tensor for tensor in node.inputs if tensor.name]
    elements = [_elements(tensor) for tensor in given]
    if node.op in ("Add", "Sub", "Mul", "Div"):
        shapes = [tuple(int(size) for size in tensor.shape) for tensor in given]
        try:
            return math.prod(np.broadcast_shapes(*shapes)) * _LARGEST_BYTES
        except ValueError as error:
            raise NotFoldedError("its shapes do not fit") from error
    if node.op == "Gather":
        return math.prod(elements) * _LARGEST_BYTES
    if node.op == "Cast":
        return elements[0] * _LARGEST_BYTES
    return sum(map(_bytes, given)) + _LARGEST_BYTES * len(given[0].shape)  # Shape: a number an axis


def _elements(tensor: gs.Constant) -> int:
    return math.prod(int(size) for size in tensor.shape)


def _bytes(tensor: gs.Constant) -> int:
    return _elements(tensor) * int(np.dtype(tensor.dtype).itemsize)


def _value(node: gs.Node, graph: gs.Graph) -> np.ndarray[Any, Any]:
    from onnx.reference import ReferenceEvaluator

    twins = [gs.Constant(t.name, t._values) if t.name else gs.Variable.empty() for t in node.inputs]
    result = gs.Variable(node.outputs[0].name, node.outputs[0].dtype)
    alone = gs.Node(node.op, node.name, dict(node.attrs), twins, [result], node.domain)
    small = gs.Graph([alone], [], [result], opset=graph.opset, ir_version=graph.ir_version)
    with ForeignErrors(lambda error: NotFoldedError(f"it cannot be evaluated: {reason(error)}")):
        (found,) = ReferenceEvaluator(to_proto(small)).run(None, {})
    return np.asarray(found)


def _become(node: gs.Node, values: np.ndarray[Any, Any], counts: Counter[str]) -> None:
    """The node's output is an initializer from now on, and nothing else knows the node."""
    result = node.outputs[0]
    for tensor in node.inputs:
        counts[tensor.name] -= 1
    detach(node)
    result.to_constant(values)
