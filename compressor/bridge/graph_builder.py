"""Makes the FX graph of an ONNX graph, and of the bodies inside it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Container
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
import torch
from torch import fx

from compressor.bridge.fused_attention import fuse_attention
from compressor.bridge.fused_linear import fuse_linear_layers
from compressor.bridge.lowering import (
    HOST,
    HOST_LOWERINGS,
    LOWERINGS,
    ONNX_NAME,
    LowerContext,
    LoweringError,
    host_to_tensor,
    is_host,
    lowering_name,
)
from compressor.bridge.module_state import ModuleState
from compressor.bridge.tensor_types import to_torch
from compressor.graph_copy import subgraphs_of
from compressor.tensor_values import peek

_HOST_LIMIT = 256  # elements; longer integer constants are data, not shapes


class GraphBuilder:
    """Walks one graph; a child with a ``parent`` walks the body of a node of the parent's."""

    def __init__(self, graph: gs.Graph, parent: GraphBuilder | None = None) -> None:
        self.onnx_graph = graph
        self.opset: int = parent.opset if parent else graph.opset
        self.state: ModuleState = parent.state if parent else ModuleState(graph)
        self.captured: list[Any] = []  # values of the parent, in the order of the placeholders that stand for them
        self._parent = parent
        self._fx = fx.Graph()
        self._values: dict[str, Any] = {}
        self._placeholders: list[fx.Node] = []
        self._captures: dict[fx.Node, fx.Node] = {}  # node of the parent -> placeholder here
        self._attributes: dict[str, fx.Node] = {}
        self._known: dict[int, tuple[torch.Tensor, str]] = {}  # id -> (tensor, what to call it as a buffer)
        self._settled: dict[int, str] = {}
        if parent is None:
            _check_names(graph, {})
        for tensor in graph.inputs:
            self._values[tensor.name] = self._placeholder(tensor.name)

    # -- what lowerings use: see lowering.Builder ----------------------------------------------------

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function when the module runs, or at once when every argument is known."""
        nodes: list[fx.Node] = []
        fx.node.map_arg((args, kwargs), nodes.append)
        if not nodes:
            with torch.no_grad():
                return function(*args, **kwargs)
        return self._fx.call_function(
            function, fx.node.map_aggregate(args, self._settle), fx.node.map_aggregate(kwargs, self._settle)
        )

    def attribute(self, name: str) -> fx.Node:
        """An attribute of the module that changes as it is used, such as ``training``."""
        if name not in self._attributes:
            # Not graph.get_attr: it warns of what is no tensor.
            self._attributes[name] = self._fx.create_node("get_attr", name)
        return self._attributes[name]

    def anchor(self) -> fx.Node:
        """A tensor that has the module's device and floating-point type."""
        return self._state_node(self.state.anchor)

    def main_type(self) -> torch.dtype:
        """The floating-point type that the file has most parameters of: it follows ``module.to(dtype)``."""
        return self.state.main_type

    def body(
        self, graph: gs.Graph, name: str, host_inputs: Container[int] = (), host_outputs: Container[int] = ()
    ) -> tuple[fx.Node, list[Any]]:
        """A module for a graph inside a node, and the values of this graph that it captures.

        Args:
            graph: the body.
            name: of the module.
            host_inputs: which inputs are Python numbers.
            host_outputs: which outputs may be Python numbers; all others are tensors.
        """
        child = GraphBuilder(graph, self)
        for slot, placeholder in enumerate(child._placeholders):
            placeholder.meta[HOST] = slot in host_inputs
        outputs = [child._as_output(v, slot in host_outputs) for slot, v in enumerate(child.walk())]
        module = fx.GraphModule(torch.nn.Module(), child.finish(outputs, as_tuple=True))
        return self._state_node(self.state.add(f"bodies.{name}", module)), child.captured

    def inline(self, graph: gs.Graph) -> list[Any]:
        """The outputs of a graph inside a node, whose nodes run where this one does."""
        outside = self._values
        self._values = dict(outside)  # the body's names end with it: another body may use them too
        for node in graph.nodes:
            self._lower(node)
        outputs = [self._value(tensor) for tensor in graph.outputs]
        self._values = outside
        return outputs

    # -- walking -----------------------------------------------------------------------------------

    def walk(self) -> list[Any]:
        """Lower every node in order; the values of the graph's outputs."""
        for node in self.onnx_graph.nodes:
            self._lower(node)
        return [self._value(tensor) for tensor in self.onnx_graph.outputs]

    def finish(self, outputs: list[Any], as_tuple: bool = False) -> fx.Graph:
        """The FX graph with these outputs: one alone as it is, several as a tuple."""
        if not as_tuple:
            outputs = [self._as_output(value) for value in outputs]
        settled = [fx.node.map_aggregate(value, self._settle) for value in outputs]
        self._fx.output(settled[0] if len(settled) == 1 and not as_tuple else tuple(settled))
        self._drop_dead()
        if self._parent is None:
            for fuse in (fuse_linear_layers, fuse_attention):
                fuse(self._fx, lambda name: operator.attrgetter(name)(self.state.root))
            self._drop_dead()
        return self._fx

    def _drop_dead(self) -> None:
        self._fx.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))

    def _as_output(self, value: Any, host: bool = False) -> Any:
        """A value as a tensor, or where ``host`` allows it as a Python number."""
        if host:
            return value.item() if isinstance(value, torch.Tensor) and value.numel() == 1 else value
        return self.call(host_to_tensor, value, self.anchor()) if is_host(value) else value

    def _lower(self, node: gs.Node) -> None:
        inputs = [self._value(tensor) if tensor.name else None for tensor in node.inputs]
        context = LowerContext(node, inputs, self)
        results = NotImplemented
        host = HOST_LOWERINGS.find(lowering_name(node))
        if host is not None and _stays_on_host(inputs):
            results = host(context)
        if results is NotImplemented:
            results = self._find(node)(context)
        for tensor, value in zip(node.outputs, results if isinstance(results, tuple) else (results,), strict=False):
            self._values[tensor.name] = self._known_value(value, tensor.name)

    def _find(self, node: gs.Node) -> Callable[[LowerContext], Any]:
        lowering = LOWERINGS.find(lowering_name(node))
        if lowering is None:
            raise LoweringError(f"no lowering to PyTorch for {lowering_name(node)}", where=f"node {node.name!r}")
        return lowering

    def _known_value(self, value: Any, name: str) -> Any:
        """Numbers that a lowering found at conversion as tensors; remembers what tensors are called."""
        if isinstance(value, (bool, int, float)) or (isinstance(value, list) and not _has_tensors(value)):
            value = torch.tensor(value) if value != [] else torch.zeros(0, dtype=torch.int64)
            value = value if value.dtype != torch.float64 else value.to(self.state.main_type)
        if isinstance(value, torch.Tensor):
            self._known[id(value)] = (value, name)
        elif isinstance(value, fx.Node):
            value.meta.setdefault(ONNX_NAME, name)
        return value

    def _value(self, tensor: gs.Tensor) -> Any:
        """The value of a tensor of this graph or of one around it."""
        name = tensor.name
        if name in self._values:
            return self._values[name]
        if isinstance(tensor, gs.Constant):
            value: Any
            if self.state.changes(name):
                return self._state_node(self.state.attribute(tensor))
            value = self._known_value(to_torch(peek(tensor), f"initializer {name!r}"), name)
        elif self._parent is not None:
            value = self._capture(self._parent._value(tensor))
        else:
            raise LoweringError(f"tensor {name!r} is read but nothing makes it", where=self.onnx_graph.name)
        self._values[name] = value
        return value

    def _state_node(self, attribute: str) -> fx.Node:
        """A parameter or buffer, which lives in the outermost module."""
        if self._parent is None:
            return self.attribute(attribute)
        node: fx.Node = self._capture(self._parent._state_node(attribute))
        return node

    def _settle(self, value: Any) -> Any:
        """A known tensor as a buffer of the module; anything else as it is."""
        if not isinstance(value, torch.Tensor):
            return value
        if self._parent is not None:
            return self._capture(self._parent._settle(self._keep(value)))
        if id(value) not in self._settled:
            _, name = self._known.setdefault(id(value), (value, "folded.constant"))
            self._settled[id(value)] = self.state.add(name, value)
        return self.attribute(self._settled[id(value)])

    def _keep(self, value: torch.Tensor) -> torch.Tensor:
        """Tells the parent what a tensor is called here."""
        if self._parent is not None and id(value) in self._known:
            self._parent._known.setdefault(id(value), self._known[id(value)])
        return value

    def _capture(self, value: Any) -> Any:
        """A value of the parent, as this graph sees it."""
        if not isinstance(value, fx.Node):
            return value
        if value not in self._captures:
            self.captured.append(value)
            self._captures[value] = self._placeholder(value.name)
            self._captures[value].meta[HOST] = is_host(value)
        return self._captures[value]

    def _placeholder(self, name: str) -> fx.Node:
        """A new last argument of forward."""
        if self._placeholders:
            with self._fx.inserting_after(self._placeholders[-1]):
                node = self._fx.placeholder(_argument(name))
        else:
            with self._fx.inserting_before(next(iter(self._fx.nodes), None)):
                node = self._fx.placeholder(_argument(name))
        self._placeholders.append(node)
        return node


def _check_names(graph: gs.Graph, found: dict[str, gs.Constant]) -> None:
    """Initializers become parameters by name; bodies side by side may use one name for two things."""
    for node in graph.nodes:
        for tensor in node.inputs:
            other = found.setdefault(tensor.name, tensor) if isinstance(tensor, gs.Constant) else tensor
            if other is not tensor and not np.array_equal(peek(other), peek(tensor)):
                raise LoweringError(
                    f"two initializers are called {tensor.name!r}", where=f"node {node.name!r} ({node.op})",
                    fix="Give one of them another name.",
                )  # fmt: skip
        for body in subgraphs_of(node):
            _check_names(body, found)


def _argument(name: str) -> str:
    """An argument name; FX makes it unique, but takes any text for granted."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    return plain if plain[:1].isalpha() else f"input_{plain}"


def _stays_on_host(inputs: list[Any]) -> bool:
    """Is one input a host value, and are all others host values or short known numbers?"""

    def fits(value: Any) -> bool:
        return value is None or is_host(value) or (
            isinstance(value, torch.Tensor) and value.ndim <= 1 and value.numel() <= _HOST_LIMIT
        )  # fmt: skip

    return any(is_host(value) for value in inputs) and all(fits(value) for value in inputs)


def _has_tensors(values: list[Any]) -> bool:
    return bool(values) and isinstance(values[0], torch.Tensor)
