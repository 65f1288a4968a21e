"""Writes a gs.Graph as an ONNX file, one weight at a time, so that no second copy of the model is in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import onnx

from compressor import graph_extras
from compressor.atomic import FileSet
from compressor.graph_export import export_model, tensor_header, tensor_message
from compressor.protobuf_wire import GRAPH_INITIALIZER, MODEL_GRAPH, TENSOR_RAW_DATA, prefix
from compressor.tensor_bytes import raw_bytes, size_bytes
from compressor.tensor_values import MessageValues, release

LARGEST_SINGLE_FILE_BYTES = int(1.9 * 2**30)  # below protobuf's 2 GiB, with room for the runtime's own additions
_SMALLEST_LARGE_BYTES = 1024  # as onnx.save: smaller tensors stay in the message
_ALIGNMENT_BYTES = 4096  # so that runtimes can map a tensor (ONNX ExternalData.md)
_ALIGN_FROM_BYTES = 2**20

Verify = Callable[[Path, Path, dict[str, Path]], None]  # (file written, its target, data files by location)


def write_files(graph: Any, path: Path, verify: Verify, others: Mapping[Path, bytes]) -> list[Path]:
    """Write `graph` to `path`, and its weights beside it where needed; `verify` must accept the result first.

    The files of `others` appear together with them. Returns the model's own files.
    """
    model, constants = export_model(graph)
    extras = graph_extras.of(graph)
    total_bytes = model.ByteSize() + sum(constant._values.nbytes for constant in constants)
    external = total_bytes > LARGEST_SINGLE_FILE_BYTES or (extras is not None and extras.external_data)
    external = external and any(_is_large(constant) for constant in constants)
    with FileSet(path) as files:
        beside = data_path(path)
        data_files: dict[str, Path] = {}
        if external:
            with files.create(beside) as data:
                messages = [_put_beside(constant, data, beside.name) for constant in constants]
                files.sync(data)
            model.graph.initializer.extend(messages)
            data_files[beside.name] = files.temporary(beside)
        with files.create(path) as file:
            _write_model(file, model, [] if external else constants)
            files.sync(file)
        verify(files.temporary(path), path, data_files)
        for other, content in others.items():
            files.about(other)
            with files.create(other) as file:
                file.write(content)
                files.sync(file)
        files.commit()
    return [path, beside] if external else [path]


def data_path(path: Path) -> Path:
    """Where the weights of a model at `path` go that does not hold them itself."""
    return path.with_name(f"{path.stem}.onnx.data")


def _write_model(file: BinaryIO, model: onnx.ModelProto, constants: list[Any]) -> None:
    """Write `model` with `constants` as further initializers."""
    graph = model.graph.SerializeToString()
    model.ClearField("graph")
    # An initializer is a head, which has everything before the values, and the values, if they are not in it.
    heads = [_head(constant) for constant in constants]
    sizes = [
        len(head) + (size_bytes(constant) if _is_large(constant) else 0)
        for head, constant in zip(heads, constants, strict=True)
    ]
    prefixes = [prefix(GRAPH_INITIALIZER, size) for size in sizes]
    file.write(model.SerializeToString())
    file.write(prefix(MODEL_GRAPH, len(graph) + sum(sizes) + sum(map(len, prefixes))))
    file.write(graph)
    for constant, before, head in zip(constants, prefixes, heads, strict=True):
        file.write(before + head)
        if _is_large(constant):
            file.write(raw_bytes(constant))
            release(constant._values)


def _head(constant: Any) -> bytes:
    if not _is_large(constant):
        return bytes(tensor_message(constant).SerializeToString())
    return bytes(tensor_header(constant).SerializeToString()) + prefix(TENSOR_RAW_DATA, size_bytes(constant))


def _put_beside(constant: Any, data: BinaryIO, location: str) -> onnx.TensorProto:
    """Append the values of `constant` to `data` if they are worth it; the tensor that points there."""
    if not _is_large(constant):
        return tensor_message(constant)
    raw = raw_bytes(constant)
    length = len(raw)
    offset = data.tell()
    if length >= _ALIGN_FROM_BYTES:
        data.write(b"\0" * (-offset % _ALIGNMENT_BYTES))
        offset = data.tell()
    data.write(raw)
    del raw
    release(constant._values)
    message = tensor_header(constant)
    message.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", str(offset)), ("length", str(length))):
        message.external_data.add(key=key, value=value)
    return message


def _is_large(constant: Any) -> bool:
    """Worth writing as a block of its own? Strings never are; typed fields are kept as they were."""
    values = constant._values
    if isinstance(values, MessageValues) and not values.tensor.HasField("raw_data"):
        return False
    return constant.dtype != np.dtype(object) and size_bytes(constant) >= _SMALLEST_LARGE_BYTES
