"""Trained values back into the initializers they came from; nothing else of the graph changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, overload

import numpy as np
import onnx
import onnx_graphsurgeon as gs
from torch import nn

from compressor import model_io
from compressor.bridge.onnx_module import OnnxModule
from compressor.bridge.tensor_types import to_numpy
from compressor.bridge.unshare import unshare
from compressor.errors import GraphError, UsageError
from compressor.graph_copy import copy_graph, subgraphs_of
from compressor.graph_edit import replace_input
from compressor.normalize import normalize
from compressor.tensor_values import peek

Array = np.ndarray[Any, Any]


@overload
def to_onnx(
    module: nn.Module, graph: onnx.ModelProto, path: str | os.PathLike[str] | None = None
) -> onnx.ModelProto: ...
@overload
def to_onnx(
    module: nn.Module, graph: str | os.PathLike[str] | gs.Graph, path: str | os.PathLike[str] | None = None
) -> gs.Graph: ...


def to_onnx(module: nn.Module, graph: Any, path: str | os.PathLike[str] | None = None) -> Any:
    """A copy of the graph that ``module`` was made from, with the values that training left.

    Initializers whose numbers did not change stay as they are, bit for bit; all names stay. Where training made
    initializers differ that the file stored once because they were equal, each use gets its own.

    Args:
        module: what ``from_onnx`` made, on any device and of any floating-point type; also inside
            DistributedDataParallel, or as ``torch.compile`` returns it.
        graph: what it was made from: a file, a model in memory or a gs.Graph; not changed.
        path: where to write the result, whole or not at all; None writes nothing.

    Returns:
        The model with its new values: a gs.Graph, or a ModelProto where ``graph`` was one.

    Raises:
        UsageError: ``from_onnx`` did not make the module.
        GraphError: the graph is another one: an initializer is missing or has another shape.
        ModelFileError: the file cannot be read or written.
    """
    if isinstance(graph, onnx.ModelProto):
        source = model_io.from_proto(graph)
    else:
        source = graph if isinstance(graph, gs.Graph) else model_io.read(graph)
    tuned = _tuned(_unwrapped(module), source)
    if path is not None:
        model_io.write(tuned, Path(path))
    return model_io.to_proto(tuned) if isinstance(graph, onnx.ModelProto) else tuned


def _unwrapped(module: nn.Module) -> OnnxModule:
    inner: Any = module
    while not isinstance(inner, OnnxModule):
        inside = getattr(inner, "_orig_mod", None) or getattr(inner, "module", None)
        if inside is None:
            raise UsageError(
                f"{type(inner).__name__} was not made by from_onnx", fix="Give the module that it returned."
            )
        inner = inside
    return inner


def _tuned(module: OnnxModule, source: gs.Graph) -> gs.Graph:
    """A copy of ``source`` with the module's values."""
    report = module.report
    changed = _changed(module, source)
    if not changed.keys() & {*report.copies, *report.copies.values()}:
        tuned = copy_graph(source)
    else:  # what was shared by chance is shared no longer; that takes the form in which the module saw the graph
        tuned = normalize(source, keep_dropout=True)
        unshare(tuned)
        _share_again(tuned, changed, report.copies)
    found = _constants(tuned)
    for name, array in changed.items():
        for constant in found[name]:
            constant.values = array
    return tuned


def _changed(module: OnnxModule, source: gs.Graph) -> dict[str, Array]:
    """Initializer (or copy of one) -> its new value, for those that training changed.

    Raises:
        GraphError: the graph lacks one, or has it in another shape.
    """
    found = _constants(source)
    changed: dict[str, Array] = {}
    for attribute, name in module.report.initializers.items():
        constants = found.get(module.report.copies.get(name, name))
        value = module.initializer(attribute)
        fix = "Give the graph that the module was made from."
        if not constants:
            raise GraphError(f"has no initializer {name!r}", where=source.name, fix=fix)
        have, want = list(constants[0].shape), list(value.shape)
        if have != want:
            what = f"initializer {name!r} has shape {have}, the module's has {want}"
            raise GraphError(what, where=source.name, fix=fix)
        array = to_numpy(value, constants[0].dtype)
        if not np.array_equal(array, peek(constants[0])):
            array.flags.writeable = False
            changed[name] = array
    return changed


def _share_again(graph: gs.Graph, changed: Mapping[str, Array], copies: Mapping[str, str]) -> None:
    """Copies that nothing changed go back to the initializer they came from, if that did not change either."""
    found = _constants(graph)
    for copy, name in copies.items():
        if copy not in changed and name not in changed:
            for constant in found[copy]:
                for node in list(constant.outputs):
                    for slot, tensor in enumerate(node.inputs):
                        if tensor is constant:
                            replace_input(node, slot, found[name][0])


def _constants(graph: gs.Graph) -> dict[str, list[gs.Constant]]:
    """Every initializer by name, those of bodies and of Constant nodes included."""
    found: dict[str, dict[int, gs.Constant]] = {}

    def look(part: gs.Graph) -> None:
        for node in part.nodes:
            for tensor in node.inputs:
                if isinstance(tensor, gs.Constant):
                    found.setdefault(tensor.name, {})[id(tensor)] = tensor
            if node.op == "Constant" and isinstance(node.attrs.get("value"), gs.Constant):
                found.setdefault(node.outputs[0].name, {})[id(node.attrs["value"])] = node.attrs["value"]
            for body in subgraphs_of(node):
                look(body)

    look(graph)
    return {name: list(tensors.values()) for name, tensors in found.items()}
