"""Real shapes, and the values of shape tensors, without running the model.

One walk through the graph with a concrete size for every symbolic dimension: shapes come from
ONNX's own per-node inference, values of shape subgraphs from small NumPy kernels. A second walk with
other sizes tells which dimensions and values are dynamic. Weights are never read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import onnx
import onnx_graphsurgeon as gs

from compressor.errors import GraphError
from compressor.passes.contrib_shapes import Shape
from compressor.passes.facts import Probe
from compressor.passes.shape_engine import ShapeEngine, elem_type

__all__ = ["Probe", "Shape", "input_shape", "probe_twice", "symbols", "walk"]
# Sizes tried for symbolic dimensions, smallest first: token models want short sequences, image models
# with strides need room. Distinct symbols get distinct sizes, so that equal sizes mean equal symbols.
_CANDIDATES = (2, 16, 64, 224)


def symbols(graph: gs.Graph) -> list[str]:
    """Names of the symbolic dimensions of the graph's inputs; unnamed ones get 'input:axis'."""
    found: dict[str, None] = {}
    for tensor in graph.inputs:
        for axis, size in enumerate(tensor.shape or ()):
            if not isinstance(size, int) or size < 0:
                found[_symbol(tensor.name, axis, size)] = None
    return list(found)


def _symbol(name: str, axis: int, size: object) -> str:
    return size if isinstance(size, str) and size else f"{name}:{axis}"


def input_shape(tensor: gs.Tensor, sizes: Mapping[str, int]) -> Shape:
    """The shape of a graph input at the given symbol sizes."""
    if tensor.shape is None:
        raise GraphError(
            "the graph input has no shape", where=tensor.name, fix="Give it a rank (sizes may be symbolic)."
        )
    return tuple(
        size if isinstance(size, int) and size >= 0 else sizes[_symbol(tensor.name, axis, size)]
        for axis, size in enumerate(tensor.shape)
    )


def probe_twice(graph: gs.Graph) -> tuple[Probe, Probe]:
    """Two walks at different sizes (the same walk twice when every input size is static)."""
    names = symbols(graph)
    last_error: Exception | None = None
    for base in _CANDIDATES:
        first = {name: base + 3 * i for i, name in enumerate(names)}
        second = {name: 2 * base + 5 * i + 1 if base < 16 else 2 * size for (name, size), i in _numbered(first)}
        try:
            one = walk(graph, first)
            return one, (walk(graph, second) if names else one)
        except onnx.shape_inference.InferenceError as error:
            last_error = error
            if not names:
                break
    raise GraphError(
        f"shapes cannot be inferred: {_reason(last_error)}", where=graph.name, fix="Check the model with onnx.checker."
    ) from last_error


def _numbered(sizes: Mapping[str, int]) -> Iterator[tuple[tuple[str, int], int]]:
    return ((item, i) for i, item in enumerate(sizes.items()))


def _reason(error: Exception | None) -> str:
    return str(error).strip().splitlines()[-1] if error else "unknown"


def walk(graph: gs.Graph, sizes: dict[str, int]) -> Probe:
    """One walk; ``sizes`` maps every symbolic dimension to a concrete size.

    Raises:
        onnx.shape_inference.InferenceError: the graph does not fit these sizes.
    """
    facts = Probe(sizes)
    for tensor in graph.inputs:
        facts.shapes[tensor.name] = input_shape(tensor, sizes)
        facts.dtypes[tensor.name] = elem_type(tensor.dtype)
    engine = ShapeEngine(graph, facts)
    for node in graph.nodes:
        engine.visit(node)
    return facts
