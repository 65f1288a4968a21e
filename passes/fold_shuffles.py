"""Channel shuffles as what they are: a permutation of one axis.

Exporters write ShuffleNet's shuffle as Reshape -> Transpose -> Reshape. Cut as written, every
channel would have to go together with its whole row and column; as one Gather by a constant permutation each
channel goes by itself. The replacement moves the same numbers to the same places at every size.
"""

from __future__ import annotations

import math

import numpy as np
import onnx_graphsurgeon as gs

from compressor.graph_copy import copy_graph
from compressor.graph_edit import detach, replace_input
from compressor.passes.nested import tensor_names
from compressor.passes.probe import Probe, Shape, probe_twice
from compressor.passes.rewrite_rules import NameMaker

_MOST_ELEMENTS = 1 << 22  # of an activation that is permuted on paper; larger ones are left as they are


def fold_shuffles(graph: gs.Graph) -> gs.Graph:
    """A copy with every shuffle a Gather, or ``graph`` itself where there is none."""
    chains = [(node, *found) for node in graph.nodes if (found := _chain(node)) is not None]
    if not chains:
        return graph
    probes = probe_twice(graph)
    folds = {
        id(last): (first, axis, order)
        for first, middle, last in chains
        if (fold := _permutation(probes, first, middle, last)) is not None
        for axis, order in [fold]
    }
    return _replaced(graph, folds) if folds else graph


def _chain(first: gs.Node) -> tuple[gs.Node, gs.Node] | None:
    """The Transpose and the second Reshape after a first one, when nothing else reads in between."""
    if first.op != "Reshape" or len(first.outputs) != 1 or len(first.outputs[0].outputs) != 1:
        return None
    middle = first.outputs[0].outputs[0]
    if middle.op != "Transpose" or len(middle.outputs[0].outputs) != 1:
        return None
    last = middle.outputs[0].outputs[0]
    if last.op != "Reshape" or last.inputs[0] is not middle.outputs[0]:
        return None
    return middle, last


def _permutation(
    probes: tuple[Probe, Probe], first: gs.Node, middle: gs.Node, last: gs.Node
) -> tuple[int, np.ndarray[tuple[int], np.dtype[np.int64]]] | None:
    """(axis, order) when the chain takes indices ``order`` of one static axis at both probes."""
    found = None
    for probe in probes:
        names = (first.inputs[0].name, first.outputs[0].name, last.outputs[0].name)
        if any(name not in probe.shapes for name in names):
            return None
        before, between, after = (probe.shapes[name] for name in names)
        if before != after or math.prod(before) > _MOST_ELEMENTS or not math.prod(before):
            return None
        now = _one_axis(before, between, middle.attrs.get("perm"))
        if now is None or (found is not None and (found[0] != now[0] or not np.array_equal(found[1], now[1]))):
            return None
        found = now
    return found


def _one_axis(
    before: Shape, between: Shape, order: list[int] | None
) -> tuple[int, np.ndarray[tuple[int], np.dtype[np.int64]]] | None:
    places = np.arange(math.prod(before))
    moved = places.reshape(between).transpose(order).reshape(before)
    places = places.reshape(before)
    for axis, size in enumerate(before):
        stride = math.prod(before[axis + 1 :])
        start = tuple(slice(None) if i == axis else 0 for i in range(len(before)))
        taken = moved[start] // stride
        if size > 1 and (taken < size).all() and np.array_equal(np.take(places, taken, axis=axis), moved):
            return (axis, taken) if not np.array_equal(taken, np.arange(size)) else None
    return None


def _replaced(
    graph: gs.Graph, folds: dict[int, tuple[gs.Node, int, np.ndarray[tuple[int], np.dtype[np.int64]]]]
) -> gs.Graph:
    copied = copy_graph(graph)
    names = NameMaker(tensor_names(copied))
    twin = {id(old): new for old, new in zip(graph.nodes, copied.nodes, strict=True)}
    gone: set[int] = set()
    for old, last in list(twin.items()):
        if old not in folds:
            continue
        first_old, axis, order = folds[old]
        first = twin[id(first_old)]
        middle = first.outputs[0].outputs[0]
        source = first.inputs[0]
        index = gs.Constant(names.new(f"{last.outputs[0].name}_order"), np.asarray(order, np.int64))
        last.op, last.attrs = "Gather", {"axis": axis}
        replace_input(last, 0, source)
        replace_input(last, 1, index)
        for node in (first, middle):
            gone.add(id(node))
            detach(node)
    copied.nodes = [node for node in copied.nodes if id(node) not in gone]
    return copied
