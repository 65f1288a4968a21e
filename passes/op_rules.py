"""What an op rule sees of its node, and the registry of rules.

A rule reads the labels of its node's inputs, unifies what must stay equal, pins what must stay, and
states the labels of the outputs. It runs once, in topological order; later unifications reach back
through the label store. To add a rule: one function in one file of ``passes/ops`` under
``@OP_RULES.register("OpType")``; ops of other domains register as "domain::OpType".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import onnx_graphsurgeon as gs

from compressor.errors import GraphError
from compressor.passes.labels import Labels, LabelStore, fixed, is_fixed
from compressor.passes.probe import Probe, Shape
from compressor.passes.shape_values import Array, attribute_array
from compressor.registry import Registry

AxisLabels: TypeAlias = list[Labels]
OpRule: TypeAlias = Callable[["RuleContext"], None]
OP_RULES: Registry[OpRule] = Registry("op rule", "compressor.passes.ops")


def rule_name(node: gs.Node) -> str:
    """The name under which a node's rule is registered."""
    return f"{node.domain}::{node.op}" if node.domain and node.domain != "ai.onnx" else str(node.op)


@dataclass(frozen=True)
class Cause:
    """Why labels were pinned: at which node (or graph output), by which op, in words; ``node`` is its number or -1."""

    where: str
    op: str
    why: str
    node: int = -1

    def __str__(self) -> str:
        return f"{self.why} ({self.op} {self.where!r})" if self.op else f"{self.why} {self.where!r}"


@dataclass(frozen=True)
class Touch:
    """Input ``slot`` of node ``node`` is reduced along ``axis`` (summed, or normalised).

    ``zero`` is the slot of the zero point, where the number that adds nothing is not 0.
    """

    node: int
    slot: int
    axis: int
    zero: int | None = None


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates of a node: ``constant`` times the lengths of ``axes``."""

    node: int
    constant: int
    axes: tuple[Labels, ...]


@dataclass
class LabelState:
    """All that a run of the rules has found so far."""

    store: LabelStore = field(default_factory=LabelStore)
    tensors: dict[str, AxisLabels] = field(default_factory=dict)
    uses: dict[tuple[int, int], AxisLabels] = field(default_factory=dict)
    causes: list[Cause] = field(default_factory=list)
    contractions: list[Touch] = field(default_factory=list)
    softs: list[Touch] = field(default_factory=list)
    work: list[Work] = field(default_factory=list)
    whole: set[str] = field(default_factory=set)  # initializers that bodies read which no rule has seen

    def blame(self, cause: Cause) -> None:
        """Pins from here on are recorded under ``cause``."""
        self.causes.append(cause)
        self.store.current_cause = len(self.causes) - 1

    def labels_of(self, node_index: int, slot: int, tensor: gs.Tensor) -> AxisLabels | None:
        """Labels of one input as this use sees it; None when its shape is unknown."""
        if isinstance(tensor, gs.Constant):
            return self.uses.get((node_index, slot))
        return self.tensors.get(tensor.name)


class RuleContext:
    """One node, its input labels, shapes and static values.

    Labels are int64 [length of the axis]; a tensor has such an array for each of its axes.
    """

    def __init__(
        self,
        state: LabelState,
        index: int,
        node: gs.Node,
        probes: tuple[Probe, Probe],
        opset: int,
        run_body: Callable[[gs.Graph], None],
    ) -> None:
        self.state = state
        self.store = state.store
        self.index = index
        self.node = node
        self.opset = opset
        self.run_body = run_body
        self._probes = probes

    # -- facts ------------------------------------------------------------------------------------
    def has(self, slot: int) -> bool:
        """Whether optional input ``slot`` is present."""
        return slot < len(self.node.inputs) and bool(self.node.inputs[slot].name)

    def gives(self, slot: int) -> bool:
        """Whether optional output ``slot`` is asked for."""
        return slot < len(self.node.outputs) and bool(self.node.outputs[slot].name)

    def attr(self, name: str, default: Any = None) -> Any:
        """An attribute, or ``default``."""
        return self.node.attrs.get(name, default)

    def shape(self, slot: int) -> Shape:
        """Shape of input ``slot`` at the first probe."""
        return self._probes[0].shapes[self.node.inputs[slot].name]

    def out_shape(self, slot: int = 0) -> Shape:
        """Shape of output ``slot`` at the first probe."""
        return self._probes[0].shapes[self.node.outputs[slot].name]

    def shapes_at_both(self, tensor: gs.Tensor) -> tuple[Shape, Shape]:
        """A tensor's shape at both probes; where they differ, the dimension is dynamic."""
        return self._probes[0].shapes[tensor.name], self._probes[1].shapes[tensor.name]

    def dynamic_out(self, axis: int, slot: int = 0) -> bool:
        """Whether an output axis changes with the symbolic input sizes."""
        one, two = self.shapes_at_both(self.node.outputs[slot])
        return one[axis] != two[axis]

    def value(self, slot: int) -> Array | None:
        """Input ``slot``'s value when it is known and the same at every size, else None."""
        if not self.has(slot):
            return None
        return static_value(self._probes, self.node.inputs[slot].name)

    def rank(self, slot: int = 0) -> int:
        """Number of axes of input ``slot``."""
        return len(self.shape(slot))

    def axis(self, axis: int, slot: int = 0) -> int:
        """A possibly negative axis of input ``slot`` as a non-negative one.

        Raises:
            GraphError: the input has no such axis.
        """
        rank = self.rank(slot)
        if not -rank <= axis < rank:
            raise GraphError(
                f"axis {axis} is outside the {rank} axes", where=f"node {self.node.name!r} ({self.node.op})"
            )
        return axis % rank

    def axes(self, slot: int = 1, name: str = "axes") -> list[int] | None:
        """The op's axes from input ``slot`` or attribute ``name``; None when not given (or not static)."""
        given = self.value(slot)
        if given is None:
            given = self.attr(name)
        return None if given is None else [int(a) for a in attribute_array(given).reshape(-1)]

    # -- labels -----------------------------------------------------------------------------------
    def labels(self, slot: int) -> AxisLabels:
        """Labels of every axis of input ``slot``.

        Raises:
            GraphError: its shape is unknown; rules run only where shapes are known.
        """
        found = self.state.labels_of(self.index, slot, self.node.inputs[slot])
        if found is None:
            raise GraphError("labels asked for a tensor of unknown shape", where=self.node.inputs[slot].name)
        return list(found)

    def unify(self, a: Labels, b: Labels) -> None:
        """Indices i of ``a`` and ``b`` are the same index from now on."""
        if a is not b and not (is_fixed(a) and is_fixed(b)):
            self.store.unify(a, b)

    def pin(self, labels: Labels, why: str) -> None:
        """None of these indices may go, because of ``why``."""
        if not is_fixed(labels):
            outer = self.store.current_cause
            self.state.blame(Cause(self.node.name, self.node.op, why, self.index))
            self.store.pin(labels)
            self.store.current_cause = outer  # what this rule joins later has another cause

    def pin_all(self, why: str) -> None:
        """Nothing this node reads may go; its outputs are FIXED."""
        for slot, tensor in enumerate(self.node.inputs):
            for labels in self.state.labels_of(self.index, slot, tensor) or []:
                self.pin(labels, why)
        self.output_fixed()

    def output(self, axes: AxisLabels, slot: int = 0) -> None:
        """State the labels of output ``slot``. An axis of size 1 cannot lose its index."""
        if not self.gives(slot):
            return
        for axis, labels in enumerate(axes):
            if labels.size == 1 and not is_fixed(labels):
                self.pin(labels, "this index stands alone on its axis")
                axes[axis] = fixed(1)
        self.state.tensors[self.node.outputs[slot].name] = axes

    def output_fixed(self) -> None:
        """All outputs of known shape are FIXED."""
        for slot, tensor in enumerate(self.node.outputs):
            shape = self._probes[0].shapes.get(tensor.name)
            if shape is not None:
                self.output([fixed(length) for length in shape], slot)

    def contract(self, slot: int, axis: int, *, zero: int | None = None) -> None:
        """Input ``slot`` is summed along ``axis``: silencing an index there removes its effect."""
        zero = zero if zero is not None and self.has(zero) else None
        self.state.contractions.append(Touch(self.index, slot, axis, zero))

    def soft(self, slot: int, axis: int) -> None:
        """Input ``slot`` is normalised along ``axis``: removing an index changes the others' values."""
        self.state.softs.append(Touch(self.index, slot, axis))

    def macs(self, constant: int, *axes: Labels) -> None:
        """This node does ``constant`` x len(axis) x len(axis) ... multiply-accumulates."""
        self.state.work.append(Work(self.index, constant, axes))


def static_value(probes: tuple[Probe, Probe], name: str) -> Array | None:
    """A tensor's value when both probes agree on it."""
    one, two = probes[0].values.get(name), probes[1].values.get(name)
    if one is None or two is None:
        return None
    same = one is two or (one.shape == two.shape and bool((one == two).all()))
    return one if same else None


def known_shapes(tensors: Sequence[gs.Tensor], probe: Probe) -> bool:
    """Whether every present tensor has a known shape."""
    return all(not tensor.name or tensor.name in probe.shapes for tensor in tensors)
