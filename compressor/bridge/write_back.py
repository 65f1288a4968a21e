"""Trained values back into the initializers they came from; nothing else of the graph changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, overload

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from compressor import model_io
from compressor.bridge.onnx_module import OnnxModule
from compressor.bridge.tensor_types import to_numpy
from compressor.errors import GraphError
from compressor.graph_copy import copy_graph, subgraphs_of
from compressor.tensor_values import peek


@overload
def to_onnx(
    module: OnnxModule, graph: onnx.ModelProto, path: str | os.PathLike[str] | None = None
) -> onnx.ModelProto: ...
@overload
def to_onnx(module: OnnxModule, graph: gs.Graph, path: str | os.PathLike[str] | None = None) -> gs.Graph: ...


def to_onnx(module: OnnxModule, graph: Any, path: str | os.PathLike[str] | None = None) -> Any:
    """A copy of the graph that ``module`` was made from, with the values that training left.

    Initializers whose numbers did not change stay as they are, bit for bit; all names stay.

    Args:
        module: what ``from_onnx`` made, on any device and of any floating-point type.
        graph: what it was made from: a file, a model in memory or a gs.Graph; not changed.
        path: where to write the result, whole or not at all; None writes nothing.

    Returns:
        The model with its new values: a gs.Graph, or a ModelProto where ``graph`` was one.

    Raises:
        GraphError: the graph is another one: an initializer is missing or has another shape.
        ModelFileError: the file cannot be read or written.
    """
    if isinstance(graph, onnx.ModelProto):
        source = model_io.from_proto(graph)
    else:
        source = graph if isinstance(graph, gs.Graph) else model_io.read(graph)
    tuned = copy_graph(source)
    _assign(module, tuned)
    if path is not None:
        model_io.write(tuned, Path(path))
    return model_io.to_proto(tuned) if isinstance(graph, onnx.ModelProto) else tuned


def _assign(module: OnnxModule, graph: gs.Graph) -> None:
    """Put the module's values into the constants of ``graph``, in place."""
    found = _constants(graph)
    for attribute, name in module.report.initializers.items():
        constants = found.get(name)
        value = module.initializer(attribute)
        if not constants:
            raise GraphError(
                f"has no initializer {name!r}", where=graph.name, fix="Give the graph that the module was made from."
            )
        if tuple(constants[0].shape) != tuple(value.shape):
            raise GraphError(
                f"initializer {name!r} has shape {list(constants[0].shape)}, the module's has {list(value.shape)}",
                where=graph.name, fix="Give the graph that the module was made from.",
            )  # fmt: skip
        array = to_numpy(value, constants[0].dtype)
        if not np.array_equal(array, peek(constants[0])):
            array.flags.writeable = False
            for constant in constants:
                constant.values = array


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
