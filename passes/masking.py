"""The masked original: what a pruned model must equal (design, section 3, "Proof").

Wherever the original sums over an axis that loses indices, those indices are silenced: in the weight
where the operand is an initializer, by a 0/1 factor on the activation otherwise. Where an op
normalises over such an axis (soft spaces), it is given only the kept indices and its result is spread
out again with zeros: the exact sliced semantics. No size changes, no rewrite rule runs.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from compressor.graph_copy import copy_graph
from compressor.graph_edit import replace_input
from compressor.passes.analysis import Analysis
from compressor.passes.labels import Labels
from compressor.passes.nested import all_nodes, splice, tensor_names
from compressor.passes.op_rules import Touch
from compressor.passes.rewrite import removal_of
from compressor.passes.rewrite_rules import Mask, NameMaker, Removal
from compressor.passes.shape_values import Array


def mask_atoms(analysis: Analysis, atoms: Labels) -> gs.Graph:
    """A copy of the analysed graph in which ``atoms`` (label ids, int64 [any number]) have no effect."""
    removal = removal_of(analysis, atoms)
    graph = copy_graph(analysis.graph)
    masker = _Masker(analysis, graph, removal)
    for touch in analysis.state.contractions:
        masker.silence(touch)
    softs: dict[int, list[tuple[Touch, Mask]]] = {}
    for touch in analysis.state.softs:
        mask = masker.mask(touch)
        if mask is not None:
            softs.setdefault(touch.node, []).append((touch, mask))
    for node, touched in softs.items():
        masker.normalise_kept(node, touched)
    masker.finish()
    return graph


class _Masker:
    def __init__(self, analysis: Analysis, graph: gs.Graph, removal: Removal) -> None:
        self.old = analysis.nodes
        self.graph = graph
        self.removal = removal
        self.names = NameMaker(tensor_names(graph))
        self.nodes = list(all_nodes(graph))
        self.before: dict[int, list[gs.Node]] = {}
        self.after: dict[int, list[gs.Node]] = {}

    def mask(self, touch: Touch) -> Mask | None:
        tensor = self.old[touch.node].inputs[touch.slot]
        return self.removal.input_masks(touch.node, touch.slot, tensor)[touch.axis]

    def silence(self, touch: Touch) -> None:
        mask = self.mask(touch)
        if mask is None:
            return
        node = self.nodes[touch.node]
        tensor = node.inputs[touch.slot]
        rank = len(self.removal.probes[0].shapes[self.old[touch.node].inputs[touch.slot].name])
        shape = [1] * rank
        shape[touch.axis] = mask.size
        nothing = self._nothing(touch, rank)
        if isinstance(tensor, gs.Constant):
            values = np.where(mask.reshape(shape), tensor.values, nothing).astype(tensor.values.dtype)
            replace_input(node, touch.slot, gs.Constant(self.names.new(tensor.name), values))
            return
        factor = gs.Constant(self.names.new(tensor.name), mask.astype(np.bool_).reshape(shape))
        zero = gs.Constant(self.names.new(tensor.name), np.atleast_1d(nothing))
        silenced = gs.Variable(self.names.new(tensor.name), dtype=tensor.dtype)
        self.before.setdefault(touch.node, []).append(
            gs.Node("Where", silenced.name, {}, [factor, tensor, zero], [silenced])
        )
        replace_input(node, touch.slot, silenced)

    def _nothing(self, touch: Touch, rank: int) -> Array:
        """The number that adds nothing to the sum: 0, or the zero point of a quantised operand."""
        old = self.old[touch.node]
        if touch.zero is not None and isinstance(old.inputs[touch.zero], gs.Constant):
            zero: Array = old.inputs[touch.zero].values
            # One per output channel: axis 0 of a convolution's weight, the last axis of a matrix.
            return zero.reshape([-1] + [1] * (rank - 1)) if zero.ndim and "Conv" in old.op else zero
        dtype = self.removal.probes[0].dtypes[old.inputs[touch.slot].name]
        return np.zeros((), onnx.helper.tensor_dtype_to_np_dtype(dtype))

    def normalise_kept(self, index: int, touched: list[tuple[Touch, Mask]]) -> None:
        """Node ``index`` sees only kept indices; results along the same axes get their old size back."""
        node, old = self.nodes[index], self.old[index]
        for touch, mask in touched:
            source = node.inputs[touch.slot]
            node.inputs[touch.slot] = self._pick(index, source, touch.axis, np.flatnonzero(mask), self.before)
        rank = len(self.removal.probes[0].shapes[old.inputs[0].name])
        for slot, tensor in enumerate(old.outputs):
            masks = self.removal.tensor_masks(tensor.name)
            for touch, mask in touched:
                # Axes that the op drops, or shrinks to one, have nothing to spread.
                if touch.slot == 0 and len(masks) == rank and masks[touch.axis] is not None:
                    self._spread(index, slot, touch.axis, mask)

    def _pick(
        self, index: int, source: gs.Tensor, axis: int, kept: Labels, where: dict[int, list[gs.Node]]
    ) -> gs.Tensor:
        picked = gs.Variable(self.names.new(source.name), dtype=source.dtype)
        indices = gs.Constant(self.names.new(source.name), np.asarray(kept, np.int64))
        where.setdefault(index, []).append(gs.Node("Gather", picked.name, {"axis": axis}, [source, indices], [picked]))
        return picked

    def _spread(self, index: int, slot: int, axis: int, mask: Mask) -> None:
        node = self.nodes[index]
        whole = node.outputs[slot]
        dense = gs.Variable(self.names.new(whole.name), dtype=whole.dtype)
        node.outputs[slot] = dense
        # Any kept index stands in at the removed places: consumers silence those.
        position = np.maximum(np.cumsum(mask) - 1, 0)
        indices = gs.Constant(self.names.new(whole.name), np.asarray(position, np.int64))
        self.after.setdefault(index, []).append(
            gs.Node("Gather", self.names.new(whole.name), {"axis": axis}, [dense, indices], [whole])
        )

    def finish(self) -> None:
        numbers = {id(node): index for index, node in enumerate(self.nodes)}
        splice(self.graph, self.before, self.after, lambda node: numbers[id(node)])
