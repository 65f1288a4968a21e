"""Rewrite a graph without the removed atoms: slice initializers, then fix whatever holds sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_graphsurgeon as gs

from compressor.errors import GraphError
from compressor.gc_pause import gc_paused
from compressor.graph_copy import copy_graph
from compressor.graph_edit import replace_input
from compressor.passes.analysis import Analysis
from compressor.passes.branches import Branches, goes_whole
from compressor.passes.dead_nodes import drop_dead_nodes
from compressor.passes.labels import Labels
from compressor.passes.nested import all_graphs, all_nodes, splice, stored_bytes, tensor_names
from compressor.passes.op_rules import rule_name
from compressor.passes.rewrite_rules import REWRITES, Mask, NameMaker, Removal, RewriteContext
from compressor.passes.standing_in import put_constants
from compressor.sliced_values import SlicedValues

# Above this, weights are cut one at a time while they are written, and never all held in memory.
_STREAM_ABOVE_BYTES = 1 << 30


def removal_of(analysis: Analysis, atoms: Labels) -> Removal:
    """The removal of ``atoms`` (label ids)."""
    gone = np.zeros(len(analysis.state.store), np.bool_)
    gone[analysis.state.store.resolve(atoms)] = True
    gone[0] = False
    return Removal(analysis.state, analysis.probes, gone)


def remove_atoms(analysis: Analysis, atoms: Labels) -> gs.Graph:
    """A new graph without ``atoms``; the analysed graph is left as it is.

    Names of nodes, initializers, inputs and outputs stay. Initializers shared by several uses stay
    shared where the kept indices agree and are copied where they differ.

    Args:
        analysis: of the graph.
        atoms: label ids, int64 [any number].
    """
    return remove_and_match(analysis, atoms)[0]


@gc_paused()
def remove_and_match(analysis: Analysis, atoms: Labels) -> tuple[gs.Graph, list[gs.Node]]:
    """``remove_atoms``, and for each node of the analysis the one that stands for it (even where that was dropped)."""
    ends: list[int] = []
    if goes_whole(analysis, atoms):
        ends, atoms = _without_branches(analysis, atoms)
    removal = removal_of(analysis, atoms)
    graph = copy_graph(analysis.graph)
    copies = list(all_nodes(graph))
    names = NameMaker(tensor_names(graph))
    _slice_initializers(analysis, copies, removal, names)
    before: dict[int, list[gs.Node]] = {}
    after: dict[int, list[gs.Node]] = {}
    for index, (old, new) in enumerate(zip(analysis.nodes, copies, strict=True)):
        rule = REWRITES.find(rule_name(old))
        if rule is None:
            continue
        context = RewriteContext(removal, index, old, new, names, graph.opset)
        if context.changed():
            rule(context)
            before[index], after[index] = context.edits.before, context.edits.after
    numbers = {id(node): index for index, node in enumerate(copies)}
    splice(graph, before, after, lambda node: numbers[id(node)])
    _update_shapes(graph, removal)
    put_constants(analysis, graph, copies, ends, removal, names)
    drop_dead_nodes(graph)
    return graph, copies


def _without_branches(analysis: Analysis, atoms: Labels) -> tuple[list[int], Labels]:
    """The nodes whose outputs become constants, and what the rest is sliced by."""
    branches = Branches.of(analysis)
    ends = branches.ends(atoms)
    if ends is None:
        raise GraphError(
            "every channel of an axis would go, and what reads it cannot do without",
            fix="Leave a channel in each space; `CostModel.protect` does.",
        )
    return ends, branches.less_one_of_each(atoms)


def _slice_initializers(analysis: Analysis, copies: list[gs.Node], removal: Removal, names: NameMaker) -> None:
    """Give each use its slice. The first distinct slice of an initializer keeps its name."""
    made: dict[str, dict[tuple[bytes, ...], gs.Constant]] = {}
    stream = stored_bytes(analysis.nodes) > _STREAM_ABOVE_BYTES
    for index, slot in removal.state.uses:
        tensor = analysis.nodes[index].inputs[slot]
        masks = removal.input_masks(index, slot, tensor)
        key = tuple(b"" if mask is None else np.packbits(mask).tobytes() for mask in masks)
        versions = made.setdefault(tensor.name, {})
        if not versions and tensor.name in removal.state.whole:
            versions[tuple(b"" for _ in masks)] = copies[index].inputs[slot]
        if key not in versions:
            versions[key] = _sliced(copies[index].inputs[slot], masks, names if versions else None, stream)
        replace_input(copies[index], slot, versions[key])


def _sliced(tensor: gs.Constant, masks: Sequence[Mask | None], names: NameMaker | None, stream: bool) -> gs.Constant:
    if all(mask is None for mask in masks) and names is None:
        return tensor
    sliced = SlicedValues(tensor, masks)
    return gs.Constant(names.new(tensor.name) if names else tensor.name, sliced if stream else sliced.load())


def _update_shapes(graph: gs.Graph, removal: Removal) -> None:
    """Recorded shapes of activations follow; symbolic sizes that shrink are forgotten."""
    one, two = removal.probes
    for part in all_graphs(graph):
        for tensor in (*(part.inputs if part is not graph else ()), *(t for n in part.nodes for t in n.outputs)):
            masks = removal.tensor_masks(tensor.name)
            if tensor.shape is None or all(mask is None for mask in masks):
                continue
            if len(masks) != len(tensor.shape):
                tensor.shape = None
                continue
            tensor.shape = [
                size
                if mask is None
                else int(mask.sum())
                if one.shapes[tensor.name][i] == two.shapes[tensor.name][i]
                else None
                for i, (size, mask) in enumerate(zip(tensor.shape, masks, strict=True))
            ]
