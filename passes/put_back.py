"""Values of a smaller graph put back where they came from: the graph with all its channels, as trained so far.

Every step of a schedule cuts the graph with all its channels once. What training or recovery did to the channels
that are left goes back into it after each step; those that went keep the numbers they had, which nothing reads.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import onnx_graphsurgeon as gs

from compressor.errors import GraphError
from compressor.graph_copy import copy_graph
from compressor.graph_edit import replace_input
from compressor.passes.analysis import Analysis
from compressor.passes.apply_plan import Orders
from compressor.passes.branches import goes_whole
from compressor.passes.group_alignment import align
from compressor.passes.labels import Labels
from compressor.passes.nested import all_nodes, tensor_names
from compressor.passes.rewrite import removal_of, remove_and_match
from compressor.passes.rewrite_rules import Mask, NameMaker, Removal
from compressor.passes.shape_values import Array
from compressor.tensor_values import peek

_BIAS = {"Conv": 1, "FusedConv": 1, "ConvTranspose": 1, "Gemm": -1}
"""Ops that recovery may give a bias, input 2: the axis of the output that it runs along."""


def put_back(analysis: Analysis, atoms: Labels, smaller: gs.Graph) -> gs.Graph:
    """A copy of the analysed graph with the values that ``smaller`` has for what is left of it.

    Args:
        analysis: of the graph that was cut; not changed.
        atoms: what went.
        smaller: what ``remove_atoms`` made of it, with new values; initializers may have been given names of their
            own, and a node without a bias one.

    Raises:
        GraphError: ``smaller`` is another graph.
    """
    if goes_whole(analysis, atoms):
        raise GraphError(
            "a branch went whole before the last step, and there is nowhere to keep what stands in for it",
            where=smaller.name, fix="Drop branches in the last step of a schedule.",
        )  # fmt: skip
    removal = removal_of(analysis, atoms)
    graph = copy_graph(analysis.graph)
    copies = list(all_nodes(graph))
    pairs = _pairs(analysis, atoms, smaller)
    names = NameMaker(tensor_names(graph))
    changed = {use: new for use in analysis.state.uses if (new := _changed(use, pairs)) is not None}
    taken = {analysis.nodes[index].inputs[slot].name for index, slot in analysis.state.uses.keys() - changed.keys()}
    made: dict[tuple[str, str, bytes], gs.Constant] = {}
    for (index, slot), new in changed.items():
        old = analysis.nodes[index].inputs[slot]
        masks = removal.input_masks(index, slot, old)
        key = old.name, new.name, b"".join(b"" if mask is None else np.packbits(mask).tobytes() for mask in masks)
        if key not in made:
            name = names.new(old.name) if old.name in taken else old.name
            wide = _is_widened(old, new)
            made[key] = (
                _widened(old, new, analysis.nodes[index], removal, name) if wide else _spread(old, new, masks, name)
            )
            taken.add(old.name)
        replace_input(copies[index], slot, made[key])
    for index, (_, node) in pairs.items():
        _add_bias(analysis.nodes[index], copies[index], node, removal)
    return graph


def in_first_positions(analysis: Analysis, graph: gs.Graph, orders: Orders) -> gs.Graph:
    """Undo the alignment of groups.

    Args:
        analysis: of the aligned graph.
        graph: that graph with other values.
        orders: what it was aligned with.
    """
    if not orders:
        return graph
    with_values = replace(analysis, graph=graph, nodes=list(all_nodes(graph)))
    return align(with_values, {name: np.argsort(order, axis=1) for name, order in orders.items()})


def _pairs(analysis: Analysis, atoms: Labels, smaller: gs.Graph) -> dict[int, tuple[gs.Node, gs.Node]]:
    """Number of a node -> what the cut made of it, and the same node of ``smaller``, found by its outputs' names."""
    by_outputs = {tuple(t.name for t in node.outputs): node for node in all_nodes(smaller)}
    cut, matching = remove_and_match(analysis, atoms)
    alive = {id(node) for node in all_nodes(cut)}
    found = {}
    for index, node in enumerate(matching):
        if id(node) in alive:
            outputs = tuple(t.name for t in node.outputs)
            if outputs not in by_outputs or by_outputs[outputs].op != node.op:
                raise GraphError(f"has no {node.op} that gives {', '.join(outputs)}", where=smaller.name)
            found[index] = node, by_outputs[outputs]
    return found


def _changed(use: tuple[int, int], pairs: dict[int, tuple[gs.Node, gs.Node]]) -> gs.Constant | None:
    """The initializer that ``smaller`` has at a use, if its values are not those that the cut left."""
    index, slot = use
    if index not in pairs:
        return None  # nothing reads it any more
    before, after = (node.inputs[slot] for node in pairs[index])
    if not isinstance(before, gs.Constant):
        return None  # sizes that the rewrite computes
    alike = isinstance(after, gs.Constant) and (list(before.shape) == list(after.shape) or _is_widened(before, after))
    if not alike:
        raise GraphError(f"initializer {before.name!r} has become something else", where=after.name)
    return None if np.array_equal(peek(before), peek(after)) else after


def _is_widened(before: gs.Constant, after: gs.Constant) -> bool:
    """One number for all outputs that recovery has made one for each."""
    return math.prod(before.shape) == 1 and len(after.shape) == 1 and after.shape[0] > 1


def _widened(old: gs.Constant, new: gs.Constant, node: gs.Node, removal: Removal, name: str) -> gs.Constant:
    """The number of ``old`` for the outputs that went, those of ``new`` for the others."""
    mask = removal.tensor_masks(node.outputs[0].name)[_BIAS.get(node.op, -1)]
    wide = np.full(new.shape[0] if mask is None else mask.size, peek(old).reshape(()))
    wide[slice(None) if mask is None else mask] = peek(new)
    return gs.Constant(name, wide)


def _spread(old: gs.Constant, new: gs.Constant, masks: list[Mask | None], name: str) -> gs.Constant:
    """``old`` with the values of ``new`` at the indices that are left."""
    spread: Array = np.array(peek(old))
    spread[np.ix_(*(np.arange(n) if m is None else m for n, m in zip(spread.shape, masks, strict=True)))] = peek(new)
    spread.flags.writeable = False
    return gs.Constant(name, spread)


def _add_bias(old: gs.Node, copy: gs.Node, new: gs.Node, removal: Removal) -> None:
    """Give ``copy`` the bias that ``new`` was given and ``old`` has not."""
    have, want = (len(node.inputs) > 2 and bool(node.inputs[2].name) for node in (old, new))
    if old.op not in _BIAS or have or not want:
        return
    masks = removal.tensor_masks(old.outputs[0].name)
    mask, values = masks[_BIAS[old.op]], peek(new.inputs[2])
    if mask is not None:
        spread = np.zeros(mask.size, values.dtype)
        spread[mask] = values
        values = spread
    while len(copy.inputs) < 3:
        copy.inputs.append(gs.Variable.empty())
    replace_input(copy, 2, gs.Constant(new.inputs[2].name, values))
    if "beta" in new.attrs:
        copy.attrs["beta"] = new.attrs["beta"]
