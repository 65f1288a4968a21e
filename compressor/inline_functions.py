"""Model-local functions replaced by their bodies."""

from __future__ import annotations

from typing import Any

import onnx
from onnx import inliner

from compressor import graph_extras
from compressor.errors import GraphError
from compressor.graph_export import export_model, tensor_header
from compressor.graph_import import import_model
from compressor.tensor_values import TensorValues, from_message


def inline_functions(graph: Any) -> Any:
    """`graph` itself if it has no local functions, else a new graph with each call replaced by the body.

    Raises:
        GraphError: onnx.inliner cannot inline a function.
    """
    extras = graph_extras.of(graph)
    if extras is None or not extras.model.functions:
        return graph
    model, constants = export_model(graph)
    # The inliner needs the names of initializers, to keep new names apart from them, and not their values.
    model.graph.initializer.extend([tensor_header(constant) for constant in constants])
    values = {constant.name: constant._values for constant in constants}
    inlined = inliner.inline_local_functions(model, convert_version=True)
    if inlined.functions:
        names = ", ".join(f"{function.domain}.{function.name}" for function in inlined.functions)
        raise GraphError(
            f"local functions {names} cannot be inlined",
            where=graph.name,
            fix="They need another opset than the model; export the model with one opset for all.",
        )

    def values_of(tensor: onnx.TensorProto, main_graph: bool) -> TensorValues:
        return values[tensor.name] if main_graph else from_message(tensor, graph.name)

    flat = import_model(inlined, values_of, graph.name)
    graph_extras.of(flat).external_data = extras.external_data
    return flat
