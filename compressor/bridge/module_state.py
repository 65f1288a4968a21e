"""Parameters and buffers of the module being made, shared by the graph and the bodies inside it."""

from __future__ import annotations

import math
from collections.abc import Iterable

import onnx_graphsurgeon as gs
import torch
from torch import nn

from compressor.bridge.attribute_names import AttributeNames
from compressor.bridge.onnx_module import BridgeReport
from compressor.bridge.tensor_types import FLOAT_TYPES, to_torch, torch_type
from compressor.bridge.trainable import RUNNING_STATISTICS, Uses, trainable_initializers
from compressor.tensor_values import onnx_type, peek


class ModuleState:
    """Decides what is a parameter, and registers parameters and buffers as they are first used."""

    def __init__(self, graph: gs.Graph) -> None:
        self.root = nn.Module()
        uses = Uses(graph)
        self._floats = {n: t for n, t in uses.constants.items() if onnx_type(t.dtype) in FLOAT_TYPES}
        trainable, self.fixed = trainable_initializers(uses)
        self._trainable = set(trainable)
        self._statistics = {name for name, why in self.fixed.items() if why == RUNNING_STATISTICS}
        self.main_type = _main_type(self._floats.values(), graph.name)
        self._names = AttributeNames()
        self._attributes: dict[str, str] = {}  # initializer -> attribute, of what training changes
        self.anchor = self._choose_anchor(trainable)

    def changes(self, name: str) -> bool:
        """Whether training changes this initializer."""
        return name in self._trainable or name in self._statistics

    def attribute(self, constant: gs.Constant) -> str:
        """The attribute of an initializer that training changes."""
        name = constant.name
        if name not in self._attributes:
            tensor = to_torch(peek(constant), f"initializer {name!r}")
            self._attributes[name] = self.add(name, nn.Parameter(tensor) if name in self._trainable else tensor)
        return self._attributes[name]

    def add(self, name: str, value: torch.Tensor | nn.Module) -> str:
        """Register a parameter, buffer or sub-module under a name like ``name``; its attribute."""
        attribute = self._names.take(name)
        *folders, leaf = attribute.split(".")
        part = self.root
        for folder in folders:
            if folder not in part._modules:
                part.add_module(folder, nn.Module())
            part = part.get_submodule(folder)
        if isinstance(value, nn.Parameter):
            part.register_parameter(leaf, value)
        elif isinstance(value, nn.Module):
            part.add_module(leaf, value)
        else:
            part.register_buffer(leaf, value)
        return attribute

    def report(self, copies: dict[str, str]) -> BridgeReport:
        """What was converted; ``copies``: see there."""
        count = {name: math.prod(tensor.shape) for name, tensor in self._floats.items()}
        initializers = {attribute: name for name, attribute in self._attributes.items()}
        trainable = sum(count[name] for name in self._attributes if name in self._trainable)
        return BridgeReport(initializers, trainable, sum(count.values()), self.fixed, copies)

    def _choose_anchor(self, trainable: list[str]) -> str:
        """A tensor that has the module's device and number type: a parameter, if there is one."""
        for name in trainable:
            constant = self._floats[name]
            if torch_type(onnx_type(constant.dtype), name) == self.main_type:
                return self.attribute(constant)
        return self.add("folded.anchor", torch.zeros((), dtype=self.main_type))


def _main_type(floats: Iterable[gs.Constant], where: str) -> torch.dtype:
    """The floating-point type that most weights have."""
    counts: dict[int, int] = {}
    for tensor in floats:
        kind = onnx_type(tensor.dtype)
        counts[kind] = counts.get(kind, 0) + math.prod(tensor.shape)
    return torch_type(max(counts, key=lambda kind: counts[kind]), where) if counts else torch.float32
