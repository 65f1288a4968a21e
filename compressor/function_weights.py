"""Tensors in the bodies of a model's own functions: checked as all others are, and kept inside the model.

graphsurgeon has no place for functions, so they ride along as messages (``graph_extras``). What their constants keep
beside the file is read into them at once: then they can be inlined, hashed and written anywhere, as messages can.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx

from compressor.external_data import ExternalData
from compressor.tensor_values import from_message

_EXTERNAL = onnx.TensorProto.EXTERNAL


def take_in(functions: Iterable[onnx.FunctionProto], external: ExternalData, where: str) -> None:
    """Check every tensor of ``functions``, and put those that lie beside the file into them.

    Raises:
        ModelFileError: a tensor lacks data, or keeps them outside of the model's folder, or where there are none.
    """
    for tensor in _tensors(functions):
        if tensor.data_location == _EXTERNAL:
            data = bytes(external.values(tensor).raw())
            tensor.ClearField("data_location")
            del tensor.external_data[:]
            tensor.raw_data = data
        else:
            from_message(tensor, where)


def _tensors(functions: Iterable[onnx.FunctionProto]) -> Iterator[onnx.TensorProto]:
    """Of attributes and defaults, and of graphs inside them at any depth."""
    attributes: list[onnx.AttributeProto] = []
    for function in functions:
        attributes += function.attribute_proto
        attributes += (item for node in function.node for item in node.attribute)
    while attributes:
        item = attributes.pop()
        yield from [item.t] if item.HasField("t") else []
        yield from item.tensors
        for graph in [*([item.g] if item.HasField("g") else []), *item.graphs]:
            yield from graph.initializer
            attributes += (inner for node in graph.node for inner in node.attribute)
