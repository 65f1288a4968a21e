"""Why an index of a parameter must stay: the chain of ops back to the cause, in words."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_graphsurgeon as gs

from compressor.passes.analysis import JOINED, Analysis
from compressor.passes.labels import FIXED, is_fixed
from compressor.passes.op_rules import Cause
from compressor.passes.pin_paths import Connections, Derived, path


@dataclass(frozen=True)
class Step:
    """One link of a chain: a node (by number), or a graph input, graph output or constant (``node`` is -1)."""

    text: str
    node: int = -1


@dataclass(frozen=True)
class FixedAxis:
    """An axis of a parameter some of whose indices must stay.

    Attributes:
        count: how many indices are FIXED, of ``size``.
        reason: why, with the place.
        group: why, without names, so that equal reasons meet.
        chain: from the cause to the node that uses the parameter.
    """

    parameter: str
    axis: int
    count: int
    size: int
    reason: str
    group: str
    chain: tuple[Step, ...]

    @property
    def sentence(self) -> str:
        """The chain in one line: "fixed: graph output 'y' <- Softmax 's' <- Gemm 'fc'"."""
        part = "" if self.count == self.size else f" ({self.count} of {self.size} indices)"
        return f"fixed{part}: " + " <- ".join(step.text for step in self.chain)


class Explainer:
    """Explains the FIXED axes of one analysis; trees of pins are built once for each class of labels."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        self._store = analysis.state.store
        self._derived = Derived(self._store)
        self._connections = Connections(analysis.nodes, analysis.state)
        self._trees: dict[int, dict[int, int | None]] = {}
        self._producer = {tensor.name: i for i, node in enumerate(analysis.nodes) for tensor in node.outputs}
        self._why = {cause.node: cause.why for cause in reversed(analysis.state.causes) if cause.why != JOINED}

    def fixed_axes(self) -> list[FixedAxis]:
        """Every axis longer than 1, of an initializer that holds weights, with FIXED indices; its first use counts."""
        found: dict[tuple[str, int], FixedAxis] = {}
        for node, slot in self._analysis.state.uses:
            name = self._analysis.nodes[node].inputs[slot].name
            for axis in range(len(self._analysis.state.uses[node, slot])):
                if (name, axis) not in found:
                    explained = self.explain(node, slot, axis)
                    if explained is not None:
                        found[name, axis] = explained
        return list(found.values())

    def explain(self, node: int, slot: int, axis: int) -> FixedAxis | None:
        """One axis of one use of an initializer; None when all of it may go, or it never could."""
        labels = self._analysis.state.uses[node, slot][axis]
        if labels.size <= 1 or is_fixed(labels):
            return None
        stay = labels[(self._store.resolve(labels) == FIXED) & (labels != FIXED)]
        if not stay.size:
            return None
        pinned = self._store.pinned_class(int(stay[0]))
        cause = self._analysis.cause_of(int(stay[0]))
        name = self._analysis.nodes[node].inputs[slot].name
        if pinned is None or cause is None:
            reason = "joined with an axis that was fixed before"
            return FixedAxis(name, axis, stay.size, labels.size, reason, reason, (self._at(node),))
        chain, reason, group = self._chain(node, pinned, cause, stay.size)
        return FixedAxis(name, axis, stay.size, labels.size, reason, group, tuple(chain))

    # -- from the cause down to the parameter ----------------------------------------------------
    def _chain(self, node: int, pinned: int, cause: Cause, length: int) -> tuple[list[Step], str, str]:
        nodes = self._path(node, pinned, cause)
        steps = [self._at(one) for one in nodes]
        if cause.node < 0:
            return [Step(f"{cause.why} {cause.where!r}"), *steps], str(cause), cause.why
        op = self._analysis.nodes[cause.node].op
        if cause.why != JOINED:
            steps[0] = Step(f"{cause.why} ({steps[0].text})", cause.node)
            return steps, str(cause), f"{cause.why} ({op})"
        above, group = self._above(cause.node, length)
        if not above:
            return steps, str(cause), f"{JOINED} ({op})"
        origin = above[0].text if above[0].node < 0 else f"an axis that stays: {above[0].text}"
        return [*above, *steps], f"joined with {origin} at {steps[0].text}", f"joined with {group}"

    def _path(self, node: int, pinned: int, cause: Cause) -> list[int]:
        if cause.node == node:
            return [node]
        if pinned not in self._trees:
            start = [cause.node] if cause.node >= 0 else self._connections.touching(cause.where)
            self._trees[pinned] = self._connections.tree(start, self._derived.marks(pinned))
        found = path(self._trees[pinned], node)
        return found or [one for one in (cause.node, node) if one >= 0]

    # -- from the place of a join up to where FIXED came from ------------------------------------
    def _above(self, node: int, length: int) -> tuple[list[Step], str]:
        """Steps from the origin of the FIXED axis (as written) that ``node`` reads, and that origin without names."""
        steps: list[Step] = []
        seen, group = {node}, ""
        found = self._fixed_input(node, length)
        while found is not None:
            tensor, _ = found
            producer = self._producer.get(tensor.name)
            if isinstance(tensor, gs.Constant) or producer is None or producer in seen:
                steps.append(Step(self._source(tensor)))
                group = steps[-1].text.partition(" '")[0]
                break
            seen.add(producer)
            found = self._fixed_input(producer, length)
            why, op = self._why.get(producer), self._analysis.nodes[producer].op
            if found is None or (found[1] != length and why is not None):
                steps.append(Step(f"{why or 'data about positions'} ({self._at(producer).text})", producer))
                group = f"an axis that stays: {why or 'data about positions'} ({op})"
                break
            length = found[1]
            steps.append(self._at(producer))
        return steps[::-1], group

    def _fixed_input(self, node: int, length: int) -> tuple[gs.Tensor, int] | None:
        """The input with a FIXED axis as written, and its length: that ``length`` first, tensors before constants."""
        best, found = (False, False, 0), None
        for slot, tensor in enumerate(self._analysis.nodes[node].inputs):
            for labels in self._analysis.state.labels_of(node, slot, tensor) or []:
                if labels.size > 1 and (is_fixed(labels) or not labels.all()):
                    rank = (labels.size == length, not isinstance(tensor, gs.Constant), labels.size)
                    if rank > best:
                        best, found = rank, (tensor, labels.size)
        return found

    def _source(self, tensor: gs.Tensor) -> str:
        if isinstance(tensor, gs.Constant):
            return f"constant {tensor.name!r}"
        if any(tensor is one for one in self._analysis.graph.inputs):
            return f"graph input {tensor.name!r}"
        return f"input {tensor.name!r} of a body"

    def _at(self, node: int) -> Step:
        return Step(node_label(self._analysis.nodes[node]), node)


def node_label(node: gs.Node) -> str:
    """A node in words: its op, and its name (that of its first output where it has none)."""
    return f"{node.op} {(node.name or node.outputs[0].name)!r}"
