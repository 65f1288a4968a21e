"""Channel analysis: one pass of the op rules over a normalised graph (design, section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from compressor.errors import GraphError
from compressor.gc_pause import gc_paused
from compressor.graph_copy import subgraphs_of
from compressor.passes.labels import Labels, fixed, is_fixed
from compressor.passes.nested import all_graphs, all_nodes
from compressor.passes.op_rules import (
    OP_RULES,
    AxisLabels,
    Cause,
    LabelState,
    OpRule,
    RuleContext,
    known_shapes,
    rule_name,
)
from compressor.passes.ops.pinned import pinned
from compressor.passes.probe import Probe, probe_twice
from compressor.passes.spaces import Space, build_spaces

JOINED = "joined with an axis that is fixed"
# Ops whose integer initializers are weights, biases and zero points.
_QUANTISED = {
    "DequantizeLinear", "QuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger",
    "QLinearAdd", "QLinearMul", "QLinearWhere", "QLinearConcat",
}  # fmt: skip
# What NumPy raises in a rule when shapes contradict each other, which ONNX's inference does not always see.
_MISFITS = (ValueError, IndexError, ZeroDivisionError, TypeError, KeyError)
_FLOATS = {
    onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE, onnx.TensorProto.BFLOAT16,
    onnx.TensorProto.FLOAT8E4M3FN, onnx.TensorProto.FLOAT8E5M2,
}  # fmt: skip


@dataclass
class Analysis:
    """What may be removed from ``graph``, together with what, and what may not and why.

    Attributes:
        graph: the normalised graph that was analysed; never changed.
        nodes: all nodes by number, those inside bodies included.
        probes: shapes and values at two sets of input sizes.
        state: labels of every tensor and of every use of an initializer.
        spaces: groups of interchangeable atoms, in the order in which parameters use them.
    """

    graph: gs.Graph
    nodes: list[gs.Node]
    probes: tuple[Probe, Probe]
    state: LabelState
    spaces: list[Space]

    def cause_of(self, label: int) -> Cause | None:
        """Why a label (as written in a label array) is FIXED."""
        index = self.state.store.cause(label)
        return self.state.causes[index] if index >= 0 else None

    def fixed_axes(self) -> list[tuple[str, int, str]]:
        """(initializer, axis, reason) for every float initializer axis longer than 1 with FIXED indices."""
        found: dict[tuple[str, int], str] = {}
        for (node, slot), axes in self.state.uses.items():
            name = self.nodes[node].inputs[slot].name
            for axis, labels in enumerate(axes):
                pinned = labels[self.state.store.resolve(labels) == 0] if labels.size > 1 else labels[:0]
                pinned = pinned[pinned != 0]
                if pinned.size:
                    found.setdefault((name, axis), str(self.cause_of(int(pinned[0])) or "joined with a fixed axis"))
        return [(name, axis, reason) for (name, axis), reason in found.items()]


@gc_paused()
def analyse(graph: gs.Graph) -> Analysis:
    """Label every axis of every tensor of a normalised graph and group the atoms into spaces.

    Raises:
        GraphError: shapes cannot be inferred.
    """
    probes = probe_twice(graph)
    nodes = list(all_nodes(graph))
    state = LabelState()
    for tensor in graph.inputs:
        state.tensors[tensor.name] = [fixed(n) for n in probes[0].shapes[tensor.name]]
    _Walk(state, probes, graph.opset, nodes).graph(graph)
    for tensor in graph.outputs:
        state.blame(Cause(tensor.name, "", "graph output"))
        for labels in state.tensors.get(tensor.name, []):
            if not is_fixed(labels):
                state.store.pin(labels)
    return Analysis(graph, nodes, probes, state, build_spaces(nodes, state))


class _Walk:
    """Runs the rules over a graph and, where a rule asks for it, over bodies."""

    def __init__(self, state: LabelState, probes: tuple[Probe, Probe], opset: int, nodes: list[gs.Node]) -> None:
        self._state = state
        self._probes = probes
        self._opset = opset
        self._number = {id(node): index for index, node in enumerate(nodes)}

    def graph(self, graph: gs.Graph) -> None:
        """Visit the nodes of one graph in order."""
        outer = self._state.store.current_cause
        for node in graph.nodes:
            index = self._number[id(node)]
            _label_constants(self._state, index, node, self._probes[0])
            _visit(RuleContext(self._state, index, node, self._probes, self._opset, self.graph), self._probes[0])
        self._state.store.current_cause = outer


def _label_constants(state: LabelState, index: int, node: gs.Node, probe: Probe) -> None:
    """Initializers that hold numbers a channel can lose get fresh atoms; positions and flags are FIXED."""
    for slot, tensor in enumerate(node.inputs):
        if isinstance(tensor, gs.Constant):
            free = probe.dtypes[tensor.name] in _FLOATS or node.op in _QUANTISED
            state.uses[index, slot] = [_start(state, n) if free else fixed(n) for n in tensor.shape]


def _start(state: LabelState, length: int) -> Labels:
    return state.store.fresh(length) if length > 1 else fixed(length)


def _visit(ctx: RuleContext, probe: Probe) -> None:
    node = ctx.node
    bodies = list(subgraphs_of(node))
    rule = OP_RULES.find(rule_name(node))
    seen = False
    if rule is None:
        ctx.pin_all(f"op {rule_name(node)} has no rule")
    elif rule is pinned:
        rule(ctx)
    elif not (known_shapes(node.inputs, probe) and known_shapes(node.outputs, probe)):
        ctx.pin_all("shapes are not known before run time")
    elif bodies and not all(_known_inside(body, probe) for body in bodies):
        ctx.pin_all("shapes inside its body are not known before run time")
    elif not bodies and all(_fixed_input(ctx, slot) for slot in range(len(node.inputs))) and _stays_fixed(node, probe):
        ctx.output_fixed()
    else:
        _run_rule(ctx, rule)
        seen = True
    if not seen:
        for body in bodies:
            _pin_captured(ctx, body)


def _known_inside(body: gs.Graph, probe: Probe) -> bool:
    """Whether the axes of a body's inputs and outputs are known, which its rule ties to the node's."""
    return all(
        tensor.name in probe.shapes or isinstance(tensor, gs.Constant) for tensor in (*body.inputs, *body.outputs)
    )


def _fixed_input(ctx: RuleContext, slot: int) -> bool:
    axes: AxisLabels = ctx.state.labels_of(ctx.index, slot, ctx.node.inputs[slot]) or []
    return all(map(is_fixed, axes))


def _stays_fixed(node: gs.Node, probe: Probe) -> bool:
    """Positions, flags and counts computed from FIXED data: most of an exporter's shape arithmetic."""
    return all(probe.dtypes.get(tensor.name) not in _FLOATS for tensor in node.outputs)


def _run_rule(ctx: RuleContext, rule: OpRule) -> None:
    ctx.state.blame(Cause(ctx.node.name, ctx.node.op, JOINED, ctx.index))
    try:
        rule(ctx)
    except _MISFITS as error:
        raise GraphError(
            f"its shapes or attributes do not fit the op ({error})",
            where=f"node {ctx.node.name!r} ({ctx.node.op})",
            fix="Check the model with onnx.checker; if it is valid, please report it.",
        ) from error


def _pin_captured(ctx: RuleContext, body: gs.Graph) -> None:
    """Tensors that an unseen body reads from outside stay whole."""
    for part in all_graphs(body):
        read = [tensor for node in part.nodes for tensor in node.inputs] + list(part.outputs)
        for tensor in read:
            ctx.state.whole.add(tensor.name)
            for labels in ctx.state.tensors.get(tensor.name, []):
                ctx.pin(labels, "a body that is not analysed reads this tensor")


def is_float(probe: Probe, name: str) -> bool:
    """Whether a tensor holds floating-point numbers."""
    return probe.dtypes[name] in _FLOATS


def prunable_share(analysis: Analysis) -> float:
    """Share of the weights (initializers of two axes or more) that some prunable axis reaches."""
    store, reached, total = analysis.state.store, 0, 0
    seen: dict[str, bool] = {}
    sizes: dict[str, int] = {}
    for (node, slot), axes in analysis.state.uses.items():
        tensor = analysis.nodes[node].inputs[slot]
        if sum(labels.size > 1 for labels in axes) >= 2 and is_float(analysis.probes[0], tensor.name):
            sizes[tensor.name] = int(np.prod(tensor.shape))
            free = any(bool(store.resolve(labels).any()) for labels in axes if not is_fixed(labels))
            seen[tensor.name] = seen.get(tensor.name, False) or free
    for name, size in sizes.items():
        total += size
        reached += size if seen[name] else 0
    return reached / total if total else 0.0
