"""Shape vectors after a removal: static sizes become constants, dynamic ones stay computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_graphsurgeon as gs

from compressor.passes.probe import Shape
from compressor.passes.shape_values import Array


@dataclass(frozen=True)
class Entry:
    """One number of a shape vector: a constant, or the number that stands there now times a ratio."""

    constant: int | None = None
    numerator: int = 1
    denominator: int = 1


def target_entries(
    *,
    written: tuple[Array | None, Array | None],
    old: tuple[Shape, Shape],
    new: tuple[Shape, Shape],
    source: tuple[Shape, Shape],
    copy_marker: int | None,
    infer_marker: int | None,
) -> list[Entry]:
    """What a target shape must ask for to get the ``new`` sizes.

    Args:
        written: the vector's value at both probes, where known.
        old, new: the output's shape at both probes before and after.
        source: the first input's new shape at both probes, which a dimension can be copied from.
        copy_marker: 0 for Reshape (same position), 1 for Expand (aligned from the right).
        infer_marker: -1 for Reshape; used at most once.
    """
    rank = len(old[0])
    inferred = None
    marks = [None if w is None or w.size != rank else w.reshape(-1) for w in written]
    if infer_marker is not None and marks[0] is not None:
        inferred = next((i for i in range(rank) if marks[0][i] == infer_marker), None)
    entries = []
    for i in range(rank):
        if i == inferred and infer_marker is not None:
            entries.append(Entry(infer_marker))
        elif copy_marker is not None and _asked_copy(marks, i, copy_marker, old, new, source):
            entries.append(Entry(copy_marker))
        elif old[0][i] == old[1][i]:
            entries.append(Entry(new[0][i]))
        elif inferred is None and infer_marker is not None:
            inferred = i
            entries.append(Entry(infer_marker))
        else:
            entries.append(Entry(None, *_ratio(new[0][i], old[0][i])))
    return entries


def _asked_copy(
    marks: Sequence[Array | None], i: int, marker: int, old: tuple[Shape, Shape], new: tuple[Shape, Shape],
    source: tuple[Shape, Shape],
) -> bool:  # fmt: skip
    """Whether dimension i can be copied from the source, and is dynamic or was written as a copy."""
    position = i if marker == 0 else i - (len(new[0]) - len(source[0]))
    if not 0 <= position < len(source[0]):
        return False
    if any(new[p][i] != source[p][position] for p in (0, 1)):
        return False
    dynamic = old[0][i] != old[1][i]
    as_written = marks[0] is not None and marks[0][i] == marker
    return dynamic or bool(as_written)


def frozen_entries(old: tuple[Array, Array], new: tuple[Shape, Shape], node: gs.Node) -> list[Entry]:
    """What turns a Shape (or Size) node's new answer back into its old one."""
    if node.op == "Size":
        counts = [int(np.prod(shape)) for shape in new]
        return [_frozen(int(old[0]), int(old[1]), counts[0])]
    answers = [shape[node.attrs.get("start", 0) : node.attrs.get("end")] for shape in new]
    return [_frozen(int(a), int(b), n) for a, b, n in zip(old[0], old[1], answers[0], strict=True)]


def _frozen(one: int, two: int, new: int) -> Entry:
    return Entry(one) if one == two else Entry(None, *_ratio(one, new))


def _ratio(numerator: int, denominator: int) -> tuple[int, int]:
    divisor = int(np.gcd(numerator, denominator)) or 1
    return numerator // divisor, denominator // divisor


def patch_vector(
    vector: gs.Tensor, entries: Sequence[Entry], new_name: Callable[[str], str], *, scalar: bool = False
) -> tuple[list[gs.Node], gs.Tensor]:
    """Nodes that turn ``vector`` into what ``entries`` ask for (at least one node), and their result."""
    nodes: list[gs.Node] = []

    def constant(values: Sequence[int], dtype: type = np.int64) -> gs.Constant:
        array: Array = np.asarray(values, dtype)
        return gs.Constant(new_name(f"{vector.name}_sizes"), array.reshape(()) if scalar else array)

    def emit(op: str, inputs: list[gs.Tensor]) -> gs.Tensor:
        result = gs.Variable(new_name(f"{vector.name}_{op.lower()}"), dtype=np.int64)
        nodes.append(gs.Node(op, result.name, {}, inputs, [result]))
        return result

    result = vector
    if any(entry.numerator != 1 for entry in entries):
        result = emit("Mul", [result, constant([entry.numerator for entry in entries])])
    if any(entry.denominator != 1 for entry in entries):
        result = emit("Div", [result, constant([entry.denominator for entry in entries])])
    fixed = [entry.constant is not None for entry in entries]
    if any(fixed) or not nodes:
        numbers = [0 if entry.constant is None else entry.constant for entry in entries]
        result = emit("Where", [constant(fixed, np.bool_), constant(numbers), result])
    return nodes, result
