"""What a lowering sees of its node, and the registry of lowerings.

A lowering states its node's outputs by calling functions on its inputs: ``ctx.call(torch.relu, ctx.tensor(0))``.
Where every argument is known at conversion the function runs at once (constants fold); otherwise the call
becomes a node of the FX graph. To add one: a function in one file of ``bridge/ops`` under
``@LOWERINGS.register("OpType")``; ops of other domains register as "domain::OpType".

Three kinds of values flow between lowerings:

- ``torch.Tensor``: known at conversion;
- ``fx.Node`` of a tensor;
- ``fx.Node`` of a **host value**: a Python number or a flat list of them, which is what shape arithmetic
  becomes (``Shape`` -> ``Gather`` -> ``Concat`` -> ``Reshape``): no tensors, no device, and torch.compile sees
  through it. Ops that can stay in that form have a lowering under ``@HOST_LOWERINGS.register`` too; elsewhere
  ``ctx.tensor`` turns host values into tensors.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Container
from typing import Any, Protocol, TypeAlias

import onnx_graphsurgeon as gs
import torch
from torch import fx

from compressor.errors import GraphError
from compressor.registry import Registry

Value: TypeAlias = "torch.Tensor | fx.Node"
Lowering: TypeAlias = Callable[["LowerContext"], Any]

LOWERINGS: Registry[Lowering] = Registry("lowering", "compressor.bridge.ops")
HOST_LOWERINGS: Registry[Lowering] = Registry("host lowering", "compressor.bridge.ops")
HOST = "host"
"""Mark in ``fx.Node.meta`` of host values."""
ONNX_NAME = "onnx_name"
"""Key in ``fx.Node.meta`` of the name that the value has in the ONNX graph."""


class LoweringError(GraphError):
    """A node cannot be expressed in PyTorch."""


def lowering_name(node: gs.Node) -> str:
    """The name under which a node's lowering is registered."""
    return f"{node.domain}::{node.op}" if node.domain and node.domain != "ai.onnx" else str(node.op)


def is_host(value: Any) -> bool:
    """Whether this is a Python number or list of numbers at run time."""
    return isinstance(value, fx.Node) and bool(value.meta.get(HOST))


class Builder(Protocol):
    """The FX graph being made."""

    opset: int

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function when the module runs, or at once when every argument is known."""

    def attribute(self, name: str) -> fx.Node:
        """An attribute of the module that changes as it is used, such as ``training``."""

    def anchor(self) -> fx.Node:
        """A tensor that has the module's device and floating-point type."""

    def main_type(self) -> torch.dtype:
        """The floating-point type that the file has most parameters of: it follows ``module.to(dtype)``."""

    def body(
        self, graph: gs.Graph, name: str, host_inputs: Container[int] = (), host_outputs: Container[int] = ()
    ) -> tuple[fx.Node, list[Any]]:
        """A module for a graph inside a node, and the values of this graph that it captures.

        The module takes the inputs of the body, then the captured values, and gives a tuple of tensors. Inputs
        and outputs in these slots are Python numbers instead: all such inputs, and such outputs where they can be.
        """

    def inline(self, graph: gs.Graph) -> list[Any]:
        """The outputs of a graph inside a node, whose nodes run where this one does."""


class LowerContext:
    """One node being lowered."""

    def __init__(self, node: gs.Node, inputs: list[Value | None], builder: Builder) -> None:
        self.node = node
        self.builder = builder
        self.opset = builder.opset
        self._inputs = inputs

    # -- inputs -----------------------------------------------------------------------------------

    def count(self) -> int:
        """How many inputs the node lists, empty ones included."""
        return len(self._inputs)

    def has(self, slot: int) -> bool:
        """Whether input ``slot`` is given."""
        return slot < len(self._inputs) and self._inputs[slot] is not None

    def value(self, slot: int) -> Value:
        """Input ``slot`` as it is: tensor, node, or node of a host value."""
        value = self._inputs[slot] if slot < len(self._inputs) else None
        if value is None:
            raise self.error(f"input {slot} is missing")
        return value

    def tensor(self, slot: int) -> Value:
        """Input ``slot`` as a tensor at run time."""
        value = self.value(slot)
        return self.call(host_to_tensor, value, self.builder.anchor()) if is_host(value) else value

    def maybe(self, slot: int) -> Value | None:
        """Input ``slot`` as a tensor, or None where it is not given."""
        return self.tensor(slot) if self.has(slot) else None

    def tensors(self) -> list[Value]:
        """All inputs as tensors."""
        return [self.tensor(slot) for slot in range(len(self._inputs))]

    def host(self, slot: int) -> Any:
        """Input ``slot`` as a Python number or (nested) list: itself where known, else a node of one."""
        value = self.value(slot)
        if isinstance(value, torch.Tensor):
            return value.tolist()
        return value if is_host(value) else self.host_call(torch.Tensor.tolist, value)

    def constant(self, slot: int) -> Any:
        """Input ``slot`` as a Python number or list; None where it is not given.

        Raises:
            LoweringError: it is known at run time only.
        """
        if not self.has(slot):
            return None
        value = self.value(slot)
        if not isinstance(value, torch.Tensor):
            raise self.error(f"input {slot} ({self.node.inputs[slot].name!r}) must be a constant")
        return value.tolist()

    def operand(self, slot: int) -> Any:
        """Input ``slot`` for arithmetic: a single constant number as a Python number, which is cheaper."""
        value = self.tensor(slot)
        return value.item() if isinstance(value, torch.Tensor) and value.ndim == 0 else value

    # -- attributes -------------------------------------------------------------------------------

    def attr(self, name: str, default: Any = None) -> Any:
        """The attribute, or ``default``."""
        return self.node.attrs.get(name, default)

    def wants(self, output: int) -> bool:
        """Whether anybody reads this output (or may: it is listed)."""
        return output < len(self.node.outputs) and bool(self.node.outputs[output].name)

    # -- calls ------------------------------------------------------------------------------------

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The result of calling ``function``: a tensor if all arguments are known, else a node."""
        return self.builder.call(function, *args, **kwargs)

    def host_call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """As ``call``, of a function that gives a Python number or list."""
        result = self.builder.call(function, *args, **kwargs)
        if isinstance(result, fx.Node):
            result.meta[HOST] = True
        return result

    def outputs(self, function: Callable[..., Any], count: int, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """As ``call``, of a function that gives a tuple of ``count`` tensors."""
        result = self.call(function, *args, **kwargs)
        if isinstance(result, fx.Node):
            return tuple(self.call(operator.getitem, result, i) for i in range(count))
        return tuple(result)

    def training(self) -> fx.Node:
        """``module.training`` at run time."""
        return self.builder.attribute("training")

    def error(self, what: str) -> LoweringError:
        """To be raised: this node cannot be lowered."""
        return LoweringError(what, where=f"node {self.node.name!r} ({self.node.op})")


def host_to_tensor(value: Any, anchor: torch.Tensor) -> torch.Tensor:
    """A host value as a tensor: whole numbers become int64, truth values bool, others the module's type."""
    sample = value[0] if isinstance(value, (list, tuple)) and value else value
    if isinstance(sample, bool):
        return torch.tensor(value, dtype=torch.bool, device=anchor.device)
    kind = anchor.dtype if isinstance(sample, float) else torch.int64
    return torch.tensor(value, dtype=kind, device=anchor.device)
