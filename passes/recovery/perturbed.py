"""Which activations of a pruned graph differ from the original's kept ones."""

from __future__ import annotations

from compressor.graph_copy import subgraphs_of
from compressor.passes.analysis import Analysis
from compressor.passes.nested import all_nodes
from compressor.passes.rewrite_rules import Removal


def perturbed_tensors(analysis: Analysis, removal: Removal) -> set[str]:
    """Names of tensors in the main graph whose values change where they are kept.

    A change begins where a sum or a normalisation loses a term (a contraction or soft axis that is cut) and reaches
    all that is computed from it. A layer that only loses outputs changes nothing for those that it keeps.
    """
    sources = {
        touch.node
        for touch in (*analysis.state.contractions, *analysis.state.softs)
        if removal.input_masks(touch.node, touch.slot, analysis.nodes[touch.node].inputs[touch.slot])[touch.axis]
        is not None
    }
    changed_nodes = {id(analysis.nodes[index]) for index in sources}
    perturbed: set[str] = set()
    for node in analysis.graph.nodes:
        inner = [part for body in subgraphs_of(node) for part in all_nodes(body)]
        reads = {tensor.name for part in (node, *inner) for tensor in part.inputs}
        if any(id(part) in changed_nodes for part in (node, *inner)) or reads & perturbed:
            perturbed.update(tensor.name for tensor in node.outputs if tensor.name)
    return perturbed
