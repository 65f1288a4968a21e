"""Brings any kind of model into a form that ONNX Runtime opens, copying weights as rarely as possible.

A path without extra outputs is handed over as it is. Bytes and small protos go as bytes. A proto whose
weights pass protobuf's 2 GiB limit goes as a light copy of its structure plus the weights as separate
in-memory values, so nothing is written to disk and the caller's proto is not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from compressor.backends.base import ModelSource, model_path
from compressor.errors import BackendError

if TYPE_CHECKING:
    import onnx

PROTOBUF_LIMIT_BYTES = 2**31 - 2**26  # leaves 64 MiB for the structure
INLINE_LIMIT_BYTES = 4096  # ONNX Runtime's shape inference reads small constants from the model itself


@dataclass
class OrtModel:
    """What to give to InferenceSession.

    Attributes:
        source: a path or the serialised model.
        folder: where external data lies when ``source`` is bytes, None when there is none to find.
        weights: initializers kept outside ``source``, by name (arrays, with their ONNX type).
    """

    source: str | bytes
    folder: str | None = None
    weights: dict[str, tuple[Any, int]] = field(default_factory=dict)


def prepare(model: ModelSource, extra_outputs: Sequence[str], limit_bytes: int = PROTOBUF_LIMIT_BYTES) -> OrtModel:
    """``model`` with ``extra_outputs`` added, ready for ONNX Runtime.

    Raises:
        BackendError: bytes that are no ONNX model (only looked into when outputs are added), or an unknown tensor.
        ModelFileError: a path to no file.
    """
    import onnx
    from google.protobuf.message import DecodeError, EncodeError

    if isinstance(model, bytes):
        if not extra_outputs:
            return OrtModel(model)
        proto = onnx.ModelProto()
        try:
            proto.ParseFromString(model)
        except DecodeError as error:
            raise BackendError("the bytes are not an ONNX model", fix="Give a serialised ModelProto.") from error
        return OrtModel(with_outputs(proto, extra_outputs).SerializeToString())
    if isinstance(model, onnx.ModelProto):
        if weight_bytes(model) > limit_bytes:
            return _split(model, extra_outputs)
        try:
            return OrtModel(with_outputs(model, extra_outputs).SerializeToString())
        except EncodeError as error:
            raise BackendError(f"the model cannot be serialised: {error}") from error
    path = model_path(model)
    if not extra_outputs:
        return OrtModel(str(path))
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except DecodeError as error:
        raise BackendError("not an ONNX file", where=str(path), fix="Give the path of an ONNX file.") from error
    return OrtModel(with_outputs(proto, extra_outputs).SerializeToString(), folder=str(path.resolve().parent))


def with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """A structural copy of ``model`` that also returns the tensors ``names``; ``model`` itself when there are none."""
    if not names:
        return model
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    _add_outputs(copy.graph, names)
    return copy


def _add_outputs(graph: onnx.GraphProto, names: Sequence[str]) -> None:
    known = {name for node in graph.node for name in node.output if name}
    known |= {tensor.name for tensor in graph.initializer} | {value.name for value in graph.input}
    present = {value.name for value in graph.output}
    for name in dict.fromkeys(names):
        if name in present:
            continue
        if name not in known:
            raise BackendError("the model computes no tensor of this name", where=name, fix="Give a node's output.")
        graph.output.add().name = name


def weight_bytes(model: onnx.ModelProto) -> int:
    """Size of the initializers, from their shapes: reading the data would copy it."""
    return sum(_size_bytes(tensor) for tensor in model.graph.initializer)


def _size_bytes(tensor: onnx.TensorProto) -> int:
    import onnx

    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.data_type == onnx.TensorProto.STRING:
        return 0
    return int(prod(tensor.dims) * onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def _split(model: onnx.ModelProto, extra_outputs: Sequence[str]) -> OrtModel:
    """Structure as bytes, big initializers as arrays under their names."""
    import onnx
    from onnx import numpy_helper

    light = onnx.ModelProto()
    for descriptor, value in model.ListFields():
        if descriptor.name != "graph":
            _copy_field(light, descriptor.name, value)
    for descriptor, value in model.graph.ListFields():
        if descriptor.name != "initializer":
            _copy_field(light.graph, descriptor.name, value)
    weights: dict[str, tuple[Any, int]] = {}
    for tensor in model.graph.initializer:
        if _size_bytes(tensor) <= INLINE_LIMIT_BYTES:
            light.graph.initializer.add().CopyFrom(tensor)
            continue
        stub = light.graph.initializer.add(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        stub.data_location = onnx.TensorProto.EXTERNAL
        stub.external_data.add(key="location", value="in-memory")
        weights[tensor.name] = (numpy_helper.to_array(tensor), tensor.data_type)
    _add_outputs(light.graph, extra_outputs)
    return OrtModel(light.SerializeToString(), weights=weights)


def _copy_field(target: Any, name: str, value: Any) -> None:
    if hasattr(value, "CopyFrom"):
        getattr(target, name).CopyFrom(value)
    elif hasattr(value, "extend"):
        getattr(target, name).extend(value)
    else:
        setattr(target, name, value)
