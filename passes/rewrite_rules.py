"""What a rewrite rule sees of its node, and the registry of rewrite rules.

Initializers are sliced by their labels without any rule. A rule is needed where a node holds sizes:
attributes, or inputs that carry shapes, bounds or indices. Shape arithmetic inside the graph goes on
in the *original* sizes (``freeze_output_value``), and each consumer translates at its border.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.graph_edit import replace_input
from compressor.passes.labels import LabelStore, is_fixed
from compressor.passes.op_rules import AxisLabels, LabelState, static_value
from compressor.passes.probe import Probe, Shape
from compressor.passes.shape_patch import frozen_entries, patch_vector, target_entries
from compressor.passes.shape_values import Array
from compressor.registry import Registry

Mask: TypeAlias = NDArray[np.bool_]
RewriteRule: TypeAlias = Callable[["RewriteContext"], None]
REWRITES: Registry[RewriteRule] = Registry("rewrite rule", "compressor.passes.ops")
_TO_THE_END = np.iinfo(np.int64).max


class Removal:
    """Which labels go; answers with a keep mask per axis (None where nothing goes)."""

    def __init__(self, state: LabelState, probes: tuple[Probe, Probe], gone: Mask) -> None:
        self.state = state
        self.probes = probes
        self.gone = gone
        self._cache: dict[int, tuple[object, Mask | None]] = {}

    @property
    def store(self) -> LabelStore:
        """The label store that the masks are read from."""
        return self.state.store

    def masks(self, axes: AxisLabels | None) -> list[Mask | None]:
        """Keep masks of a tensor's axes."""
        return [self._mask(labels) for labels in axes or []]

    def _mask(self, labels: Any) -> Mask | None:
        found = self._cache.get(id(labels))
        if found is None:
            removed = None if is_fixed(labels) else self.store.removed(self.gone, labels)
            # The array is kept beside its mask, so that its id stays its own.
            mask = None if removed is None or not removed.any() else ~removed
            found = self._cache[id(labels)] = (labels, mask)
        return found[1]

    def input_masks(self, node: int, slot: int, tensor: gs.Tensor) -> list[Mask | None]:
        """Keep masks of one input as its use sees it."""
        return self.masks(self.state.labels_of(node, slot, tensor))

    def tensor_masks(self, name: str) -> list[Mask | None]:
        """Keep masks of an activation."""
        return self.masks(self.state.tensors.get(name))

    def new_shapes(self, name: str, masks: Sequence[Mask | None]) -> tuple[Shape, Shape]:
        """Sizes after the removal at both probes; a dynamic axis shrinks by the same share at each."""
        one, two = self.probes[0].shapes[name], self.probes[1].shapes[name]
        if len(masks) != len(one):
            return one, two
        first = tuple(n if m is None else int(m.sum()) for n, m in zip(one, masks, strict=True))
        second = tuple(b * f // a if a else b for a, b, f in zip(one, two, first, strict=True))
        return first, second


@dataclass
class Edits:
    """Nodes that a rule adds around its own."""

    before: list[gs.Node] = field(default_factory=list)
    after: list[gs.Node] = field(default_factory=list)


class RewriteContext:
    """One node of the new graph, with what is known of it in the old one.

    Keep masks are bool [original length of the axis].
    """

    def __init__(self, removal: Removal, index: int, old: gs.Node, new: gs.Node, names: NameMaker, opset: int) -> None:
        self.removal = removal
        self.node = new
        self.opset = opset
        self.edits = Edits()
        self._old = old
        self._names = names
        self._in = [removal.input_masks(index, slot, tensor) for slot, tensor in enumerate(old.inputs)]
        self._out = [removal.tensor_masks(tensor.name) for tensor in old.outputs]

    # -- facts ------------------------------------------------------------------------------------
    def has(self, slot: int) -> bool:
        """Whether optional input ``slot`` is present."""
        return slot < len(self._old.inputs) and bool(self._old.inputs[slot].name)

    def attr(self, name: str, default: Any = None) -> Any:
        """An attribute, or ``default``."""
        return self.node.attrs.get(name, default)

    def value(self, slot: int) -> Array | None:
        """Input ``slot``'s value in the original, when static."""
        return static_value(self.removal.probes, self._old.inputs[slot].name) if self.has(slot) else None

    def keep(self, slot: int, axis: int) -> Mask | None:
        """Keep mask of an input axis; None when all stay."""
        return self._in[slot][axis]

    def keep_out(self, slot: int, axis: int) -> Mask | None:
        """Keep mask of an output axis; None when all stay."""
        return self._out[slot][axis]

    def axis_changed(self, slot: int, axis: int) -> bool:
        """Whether an input axis loses indices."""
        return self._in[slot][axis] is not None

    def input_changed(self, slot: int) -> bool:
        """Whether any axis of input ``slot`` loses indices."""
        return any(mask is not None for mask in self._in[slot])

    def out_changed(self, slot: int) -> bool:
        """Whether any axis of output ``slot`` loses indices."""
        return any(mask is not None for mask in self._out[slot])

    def changed(self) -> bool:
        """Whether the removal touches this node at all."""
        return any(mask is not None for masks in (*self._in, *self._out) for mask in masks)

    def old_shape(self, slot: int) -> Shape:
        """Original shape of input ``slot`` at the first probe."""
        return self.removal.probes[0].shapes[self._old.inputs[slot].name]

    def new_shape(self, slot: int) -> Shape:
        """Shape of input ``slot`` after the removal, at the first probe."""
        return self.removal.new_shapes(self._old.inputs[slot].name, self._in[slot])[0]

    def new_out_shape(self, slot: int) -> Shape:
        """Shape of output ``slot`` after the removal, at the first probe."""
        return self.removal.new_shapes(self._old.outputs[slot].name, self._out[slot])[0]

    # -- edits ------------------------------------------------------------------------------------
    def set_attr(self, name: str, value: Any) -> None:
        """Give the node an attribute."""
        self.node.attrs[name] = value

    def drop_attr(self, name: str) -> None:
        """Take an attribute away."""
        self.node.attrs.pop(name, None)

    def set_input(self, slot: int, values: Sequence[int] | Array) -> None:
        """Replace an input by a constant (int64 unless an array says otherwise)."""
        array = values if isinstance(values, np.ndarray) else np.asarray(values, np.int64)
        hint = self._old.inputs[slot].name if self.has(slot) else f"{self._old.outputs[0].name}_{slot}"
        while len(self.node.inputs) <= slot:
            self.node.inputs.append(gs.Variable.empty())
        replace_input(self.node, slot, gs.Constant(self._names.new(hint), array))

    def select(self, axis: int, positions: Array) -> None:
        """A Slice takes exactly ``positions`` of ``axis`` (indices in the kept input)."""
        steps = np.diff(positions)
        step = int(steps[0]) if steps.size else 1
        if steps.size and (steps != step).any():
            self._gather_first(axis, positions)
            self._set_bounds(axis, 0, _TO_THE_END, 1)
            return
        end = int(positions[-1]) + step
        self._set_bounds(axis, int(positions[0]), end if end >= 0 else -_TO_THE_END, step)

    def _set_bounds(self, axis: int, start: int, end: int, step: int) -> None:
        rank = len(self.old_shape(0))
        if "starts" in self.node.attrs:
            axes = [int(a) % rank for a in self.attr("axes", range(len(self.attr("starts"))))]
            where = axes.index(axis)
            for name, number in (("starts", start), ("ends", end)):
                self.set_attr(name, [number if i == where else int(n) for i, n in enumerate(self.attr(name))])
            return
        given = self._bounds_now()
        where = [a % rank for a in given[2]].index(axis)
        for slot, number in ((1, start), (2, end), (4, step)):
            vector = list(given[slot - 1])
            vector[where] = number
            self.set_input(slot, vector)

    def _bounds_now(self) -> tuple[list[int], list[int], list[int], list[int]]:
        """Starts, ends, axes, steps of this Slice as it stands."""

        def read(slot: int, default: list[int]) -> list[int]:
            if slot < len(self.node.inputs) and isinstance(self.node.inputs[slot], gs.Constant):
                return [int(n) for n in self.node.inputs[slot].values]
            known = self.value(slot)
            return default if known is None else [int(n) for n in known]

        starts = read(1, [])
        axes = read(3, list(range(len(starts))))
        return starts, read(2, []), axes, read(4, [1] * len(starts))

    def _gather_first(self, axis: int, positions: Array) -> None:
        source = self.node.inputs[0]
        picked = gs.Variable(self._names.new(f"{source.name}_picked"), dtype=source.dtype)
        index = gs.Constant(self._names.new(f"{source.name}_index"), np.asarray(positions, np.int64))
        self.edits.before.append(gs.Node("Gather", picked.name, {"axis": axis}, [source, index], [picked]))
        replace_input(self.node, 0, picked)

    def set_target_shape(
        self, slot: int, *, copy_marker: int | None, infer_marker: int | None, axes: Sequence[int] | None = None
    ) -> None:
        """Input ``slot``, a shape, asks for the kept sizes; dynamic dimensions stay dynamic.

        Args:
            copy_marker: the number by which this op means "as the input has it", if it has one.
            infer_marker: the number by which this op means "whatever is left", if it has one.
            axes: the output axes that the vector speaks of (all by default).
        """
        probes, target = self.removal.probes, self._old.inputs[slot].name
        source, out = self._old.inputs[0].name, self._old.outputs[0].name
        entries = target_entries(
            written=(probes[0].values.get(target), probes[1].values.get(target)),
            old=(probes[0].shapes[out], probes[1].shapes[out]),
            new=self.removal.new_shapes(out, self._out[0]),
            source=self.removal.new_shapes(source, self._in[0]),
            copy_marker=copy_marker,
            infer_marker=infer_marker,
        )
        if axes is not None:
            entries = [entries[axis] for axis in axes]
        if all(entry.constant is not None for entry in entries):
            self.set_input(slot, [entry.constant for entry in entries if entry.constant is not None])
            return
        nodes, result = patch_vector(self.node.inputs[slot], entries, self._names.new)
        self.edits.before += nodes
        replace_input(self.node, slot, result)

    def freeze_output_value(self) -> None:
        """A Shape or Size node goes on answering in original sizes."""
        probes, out = self.removal.probes, self._old.outputs[0].name
        old = (probes[0].values[out], probes[1].values[out])
        source = self._old.inputs[0].name
        new = self.removal.new_shapes(source, self._in[0])
        entries = frozen_entries(old, new, self._old)
        answer = self.node.outputs[0]
        if all(entry.constant is not None for entry in entries):
            self.node.outputs.clear()
            answer.to_constant(np.asarray(old[0], np.int64))
            return
        self.node.outputs[0] = raw = gs.Variable(self._names.new(f"{answer.name}_kept"), dtype=np.int64)
        nodes, _ = patch_vector(raw, entries, self._names.new, scalar=self.node.op == "Size")
        nodes[-1].outputs[0] = answer
        self.edits.after += nodes


class NameMaker:
    """Names that no tensor of the graph has yet."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken

    def new(self, hint: str) -> str:
        """``hint``, with a suffix if it is taken."""
        name, count = f"{hint}_pruned", 1
        while name in self._taken:
            count += 1
            name = f"{hint}_pruned{count}"
        self._taken.add(name)
        return name
