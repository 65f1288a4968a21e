"""Which floating-point initializers training should move, and why the others stay.

Nobody marks parameters in an ONNX file. What an initializer is for follows from where it is used:
an operand of a layer is a parameter; settings, running statistics, masks and position tables are not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import onnx_graphsurgeon as gs

from compressor.bridge.tensor_types import FLOAT_TYPES
from compressor.graph_copy import subgraphs_of
from compressor.graph_extras import exported_constants
from compressor.tensor_values import onnx_type, peek

_ALL = tuple(range(16))
# Slots whose floats set how an op works; no optimiser should move them.
_SETTINGS: dict[str, tuple[int, ...]] = {
    "BatchNormalization": (3, 4),
    "Clip": _ALL,
    "Dropout": _ALL,
    "Pad": (2,),
    "Pow": (1,),
    "OneHot": _ALL,
    "Range": _ALL,
    "Resize": (1, 2, 3),
    "Upsample": (1,),
    "QuantizeLinear": (1, 2),
    "DequantizeLinear": (1, 2),
    "QLinearConv": _ALL,
    "QLinearMatMul": _ALL,
    "RotaryEmbedding": (1, 2, 3),  # com.microsoft has positions before the tables
    "GroupQueryAttention": (7, 8),
    "Attention": (3,),
    "NonMaxSuppression": _ALL,
    "Equal": _ALL,
    "Less": _ALL,
    "LessOrEqual": _ALL,
    "Greater": _ALL,
    "GreaterOrEqual": _ALL,
    "Mod": _ALL,
    "Shape": _ALL,
    "Size": _ALL,
    "ConstantOfShape": _ALL,
    "CastLike": (1,),
    "EyeLike": _ALL,
    "STFT": _ALL,
    "Trilu": (1,),
}
_INITIAL_STATES: dict[str, tuple[int, ...]] = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}
_TO_ANGLES = {"MatMul", "Mul", "Add", "Einsum", "Unsqueeze", "Reshape", "Expand", "Cast", "Concat", "Transpose", "Tile"}
_ELEMENTWISE = {"Add", "Sub", "Mul", "Div", "Where"}
_MOVES_DATA = {
    "Unsqueeze",
    "Reshape",
    "Expand",
    "Cast",
    "CastLike",
    "Transpose",
    "Squeeze",
    "Slice",
    "Tile",
    "Identity",
}
_FARTHEST = 10  # ops looked past, on the way from a position table to its sines
_VERY_NEGATIVE = -50.0  # added to scores before a softmax, this silences
# As both exporters call what was no parameter of the module; `layer.0.scale` is one.
_MADE_BY_EXPORTER = re.compile(r"(^val_\d+$)|(^_?(tensor_)?const)|(^/)|(^onnx::)|(_output_\d+$)|(^scalar_)")

_COPY_SUFFIX = re.compile(r"_pruned\d*$")

RUNNING_STATISTICS = "running statistics"
Use = tuple[gs.Node, int]


class Uses:
    """Who reads each tensor of a graph and of the bodies inside it."""

    def __init__(self, graph: gs.Graph) -> None:
        self.by_name: dict[str, list[Use]] = defaultdict(list)
        self.constants: dict[str, gs.Constant] = {}
        self.inputs = {tensor.name for tensor in graph.inputs}
        self.exported_constants = exported_constants(graph)
        self._walk(graph)

    def _walk(self, graph: gs.Graph) -> None:
        for node in graph.nodes:
            for slot, tensor in enumerate(node.inputs):
                self.by_name[tensor.name].append((node, slot))
                if isinstance(tensor, gs.Constant):
                    self.constants[tensor.name] = tensor
            for body in subgraphs_of(node):
                self._walk(body)


def trainable_initializers(uses: Uses) -> tuple[list[str], dict[str, str]]:
    """Names of the initializers to train, and for every other floating-point one the reason why not."""
    floats = {name: t for name, t in uses.constants.items() if onnx_type(t.dtype) in FLOAT_TYPES}
    circles = _unit_circles(t for t in floats.values() if _is_operand(uses, t.name, _ELEMENTWISE | _MOVES_DATA))
    reasons = {name: _why_not(uses, tensor, circles) for name, tensor in floats.items()}
    return [n for n, why in reasons.items() if why is None], {n: why for n, why in reasons.items() if why is not None}


def _why_not(uses: Uses, tensor: gs.Constant, circles: set[str]) -> str | None:
    name, readers = tensor.name, uses.by_name[tensor.name]
    if all(slot in _SETTINGS.get(node.op, ()) for node, slot in readers):
        statistics = all(node.op == "BatchNormalization" for node, _ in readers)
        return RUNNING_STATISTICS if statistics else f"a setting of {readers[0][0].op}"
    size = int(np.prod(tensor.shape))
    if size == 0:
        return "empty"
    if all(slot in _INITIAL_STATES.get(node.op, ()) for node, slot in readers) and not peek(tensor).any():
        return "an initial state of zeros"
    if uses.exported_constants is not None:  # no need to guess
        return "no parameter of the exported module" if _as_exported(name) in uses.exported_constants else None
    if size == 1 and (_MADE_BY_EXPORTER.search(name) or "." not in name):
        return "a single number without a parameter's name"
    if name in circles or _leads_to_angles(uses, name):
        return "positions: an angle, a sine or a cosine"
    if _is_operand(uses, name, _ELEMENTWISE | _MOVES_DATA):
        if _is_mask(peek(tensor)):
            return "a mask"
        if all(_meets_input(uses, node) for node, _ in readers):
            return "normalises a model input"
    return None


def _as_exported(name: str) -> str:
    """The name before a rewrite copied it."""
    return _COPY_SUFFIX.sub("", name)


def _is_operand(uses: Uses, name: str, ops: set[str]) -> bool:
    return all(node.op in ops for node, _ in uses.by_name[name])


def _meets_input(uses: Uses, node: gs.Node) -> bool:
    return node.op in ("Sub", "Div", "Mul", "Add") and any(tensor.name in uses.inputs for tensor in node.inputs)


def _is_mask(values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bool:
    """Two values, of which one lets pass (0 or 1) and the other silences."""
    if values.size < 4:
        return False
    flat = values.reshape(-1)
    first = flat[0]
    others = flat[flat != first]
    if not others.size or (others != others[0]).any():
        return False
    low, high = sorted((float(first), float(others[0])))
    return (low, high) == (0.0, 1.0) or (low <= _VERY_NEGATIVE and high in (0.0, 1.0))


def _leads_to_angles(uses: Uses, name: str) -> bool:
    """Does every way forward end in a sine or cosine, with nothing but arithmetic of positions between?"""
    wanted, seen, found = [(name, 0)], {name}, False
    while wanted:
        current, depth = wanted.pop()
        for node, _ in uses.by_name[current]:
            if node.op in ("Sin", "Cos"):
                found = True
                continue
            if node.op not in _TO_ANGLES or depth == _FARTHEST:
                return False
            fresh = [t.name for t in node.outputs if t.name not in seen]
            seen.update(fresh)
            wanted += [(t, depth + 1) for t in fresh]
        if not uses.by_name[current]:
            return False
    return found


def _unit_circles(tensors: Iterable[gs.Constant]) -> set[str]:
    """Names of tables that pair up as cosines and sines: same shape, squares add to one."""
    by_shape: dict[tuple[int, ...], list[gs.Constant]] = defaultdict(list)
    for tensor in tensors:
        if len(tensor.shape) >= 2 and int(np.prod(tensor.shape)) >= 4:
            by_shape[tuple(tensor.shape)].append(tensor)
    found: set[str] = set()
    for group in by_shape.values():
        arrays = [(t.name, peek(t).astype(np.float32)) for t in group] if len(group) > 1 else []
        # Tables vary: scales of one beside biases of zero are none.
        tables = [(name, v) for name, v in arrays if np.abs(v).max() <= 1.001 and np.ptp(v) > 0.1]
        for i, (name, values) in enumerate(tables):
            for other, values2 in tables[i + 1 :]:
                if np.abs(values**2 + values2**2 - 1).max() < 2e-3:
                    found.update((name, other))
    return found
