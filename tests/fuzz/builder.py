"""A graph under construction: nodes, weights, and the symbolic shape of every tensor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from tests.fuzz.draw import Draw


@dataclass(frozen=True)
class Dim:
    """A size: a number times symbols."""

    factor: int
    symbols: tuple[str, ...] = ()

    @property
    def static(self) -> bool:
        return not self.symbols

    def __mul__(self, other: Dim) -> Dim:
        return Dim(self.factor * other.factor, tuple(sorted(self.symbols + other.symbols)))


Shape: TypeAlias = tuple[Dim, ...]
ONE = Dim(1)
MOST_ELEMENTS = 1500  # of one tensor, symbols not counted: keeps a graph's checks under a tenth of a second


def dims(*sizes: int | Dim) -> Shape:
    return tuple(size if isinstance(size, Dim) else Dim(size) for size in sizes)


def product(shape: Sequence[Dim]) -> Dim:
    total = ONE
    for dim in shape:
        total = total * dim
    return total


@dataclass(frozen=True)
class Value:
    """A floating-point tensor."""

    name: str
    shape: Shape

    @property
    def rank(self) -> int:
        return len(self.shape)

    def static(self, *axes: int) -> bool:
        return all(self.shape[axis].static for axis in axes)

    def size(self, axis: int) -> int:
        return self.shape[axis].factor


@dataclass
class Builder:
    """Collects a graph. ``draw`` makes every choice; weights are random but always the same."""

    draw: Draw
    opset: int
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: dict[str, NDArray[Any]] = field(default_factory=dict)
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    _count: int = 0

    def name(self, hint: str) -> str:
        self._count += 1
        return f"{hint}{self._count}"

    # -- leaves -----------------------------------------------------------------------------------
    def input(self, shape: Shape) -> Value:
        value = Value(self.name("x"), shape)
        self.inputs.append(value)
        return value

    def weight(self, *shape: int, positive: bool = False) -> str:
        """A float initializer of about unit gain; sometimes one that another node already uses."""
        if self.draw.chance(6):
            same = [n for n, w in self.weights.items() if w.shape == shape and w.dtype == np.float32]
            if positive:
                same = [name for name in same if (self.weights[name] > 0).all()]
            if same:
                return self.draw.pick(same)
        name = self.name("w")
        array = self.rng.standard_normal(shape) / math.sqrt(max(math.prod(shape[1:]), 1))
        self.weights[name] = (np.abs(array) + 0.5 if positive else array).astype(np.float32)
        return name

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        name = self.name("c")
        self.weights[name] = np.asarray(value, dtype)
        return name

    # -- nodes ------------------------------------------------------------------------------------
    def raw(self, op: str, inputs: Sequence[str], outputs: int = 1, **attrs: Any) -> list[str]:
        """A node; its results' names. Trailing empty inputs are dropped sometimes, as exporters do."""
        names = [self.name(op.lower()) for _ in range(outputs)]
        domain = attrs.pop("domain", "")
        self.nodes.append(helper.make_node(op, list(inputs), names, name=f"{op}_{names[0]}", domain=domain, **attrs))
        return names

    def op(self, op: str, inputs: Sequence[Value | str], shape: Shape, **attrs: Any) -> Value:
        """A node with one result of a known shape."""
        names = [value.name if isinstance(value, Value) else value for value in inputs]
        return Value(self.raw(op, names, **attrs)[0], shape)

    def unary(self, op: str, value: Value, **attrs: Any) -> Value:
        return self.op(op, [value], value.shape, **attrs)

    def with_axes(self, op: str, value: Value, axes: Sequence[int], shape: Shape, since: int, **attrs: Any) -> Value:
        """An op whose axes became an input in opset ``since``."""
        if self.opset >= since:
            return self.op(op, [value, self.constant(list(axes))], shape, **attrs)
        return self.op(op, [value], shape, axes=list(axes), **attrs)

    def reduce(self, op: str, value: Value, axes: Sequence[int], keep: bool = True) -> Value:
        over = {axis % value.rank for axis in axes}
        shape = tuple(ONE if i in over else d for i, d in enumerate(value.shape) if keep or i not in over)
        return self.with_axes(op, value, axes, shape, 13 if op == "ReduceSum" else 18, keepdims=int(keep))

    def unsqueeze(self, value: Value, axis: int) -> Value:
        shape = (*value.shape[:axis], ONE, *value.shape[axis:])
        return self.with_axes("Unsqueeze", value, [axis], shape, 13)

    def squeeze(self, value: Value, axis: int) -> Value:
        return self.with_axes("Squeeze", value, [axis], value.shape[:axis] + value.shape[axis + 1 :], 13)

    def transpose(self, value: Value, *perm: int) -> Value:
        return self.op("Transpose", [value], tuple(value.shape[i] for i in perm), perm=list(perm))

    def split(self, value: Value, axis: int, sizes: Sequence[int]) -> list[Value]:
        """Split, with its sizes as an input or attribute, or left out where they are equal."""
        inputs: list[str] = [value.name]
        attrs: dict[str, Any] = {"axis": self.draw.pick([axis, axis - value.rank])}
        equal = len(set(sizes)) == 1 and self.draw.chance(50)
        if equal and self.opset >= 18:
            attrs["num_outputs"] = len(sizes)
        elif not equal and self.opset >= 13:
            inputs.append(self.constant(list(sizes)))
        elif not equal:
            attrs["split"] = list(sizes)
        names = self.raw("Split", inputs, len(sizes), **attrs)
        shapes = [(*value.shape[:axis], Dim(size), *value.shape[axis + 1 :]) for size in sizes]
        return [Value(name, shape) for name, shape in zip(names, shapes, strict=True)]

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        first = values[0].shape
        total = sum(value.size(axis) for value in values)
        shape = (*first[:axis], Dim(total, first[axis].symbols), *first[axis + 1 :])
        return self.op("Concat", values, shape, axis=self.draw.pick([axis, axis - len(first)]))

    def add(self, a: Value, b: Value | str, op: str = "Add") -> Value:
        """Element-wise with an operand that broadcasts to ``a``; on either side where the op allows it."""
        pair: list[Value | str] = [b, a] if op in ("Add", "Mul") and self.draw.chance(30) else [a, b]
        return self.op(op, pair, a.shape)

    def linear(self, value: Value, width: int, *, bias: bool | None = None) -> Value:
        """MatMul over the last axis, with an optional bias."""
        out = self.op("MatMul", [value, self.weight(value.size(-1), width)], (*value.shape[:-1], Dim(width)))
        return self.add(out, self.weight(width)) if (self.draw.chance(60) if bias is None else bias) else out

    def proto(self) -> onnx.ModelProto:
        """The model."""
        graph = helper.make_graph(
            self.nodes, "fuzz", [_info(v, TensorProto.FLOAT) for v in self.inputs],
            [_info(v, TensorProto.FLOAT) for v in self.outputs],
            [numpy_helper.from_array(array, name) for name, array in self.weights.items()],
        )  # fmt: skip
        domains = {"": self.opset, **{node.domain: 1 for node in self.nodes if node.domain}}
        imports = [helper.make_opsetid(domain, version) for domain, version in domains.items()]
        return helper.make_model(graph, opset_imports=imports, ir_version=10)


def _info(value: Value, kind: int) -> onnx.ValueInfoProto:
    sizes: list[int | str | None] = []
    for dim in value.shape:
        alone = len(dim.symbols) == 1 and dim.factor == 1
        sizes.append(dim.factor if dim.static else dim.symbols[0] if alone else None)
    return helper.make_tensor_value_info(value.name, kind, sizes)
