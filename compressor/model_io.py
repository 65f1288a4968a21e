"""Model files in and out: path or ModelProto to onnx_graphsurgeon.Graph and back.

    graph = model_io.read("model.onnx")
    model_io.write(graph, "copy.onnx")

Weights stay in the file until `constant.values` asks for them, and are read-only arrays.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from compressor import graph_extras
from compressor.digest import digest
from compressor.errors import ModelFileError
from compressor.external_data import ExternalData
from compressor.file_kind import what_it_is
from compressor.function_weights import take_in
from compressor.graph_export import export_model, tensor_header, tensor_message
from compressor.graph_import import import_model
from compressor.model_check import check_model
from compressor.model_writer import data_path, write_files
from compressor.protobuf_wire import Span, WireError, split
from compressor.tensor_values import FileValues, MappedFile, TensorValues, check_type_and_shape, damaged, from_message

__all__ = ["data_files", "data_path", "digest", "from_proto", "read", "same_file", "to_proto", "write"]

_PROTOBUF_LIMIT_BYTES = 2**31 - 1
_DAMAGED_FIX = "Copy or download the file again, or export the model again."


def read(path: str | os.PathLike[str]) -> Any:
    """Open an ONNX file as a gs.Graph. External data must lie in the model's folder; it is mapped, not read.

    Raises:
        ModelFileError: the file is missing, unreadable, damaged, not ONNX, unsafe, or too old or new.
    """
    path = Path(path)
    return _read(path, ExternalData(path.parent, str(path), path), str(path))


def from_proto(model: onnx.ModelProto, base_dir: Path | None = None, name: str = "<memory>") -> Any:
    """A gs.Graph that reads its weights from `model`, which must not be changed afterwards.

    Args:
        model: any ONNX model of opset 9 or later.
        base_dir: the folder that external data locations are relative to.
        name: how messages call the model.

    Raises:
        ModelFileError: the model is invalid, unsafe, or too old or new.
    """
    return _import(model, {}, None, ExternalData(base_dir, name), name)


def to_proto(graph: Any) -> onnx.ModelProto:
    """The model with all its weights inside.

    Raises:
        ModelFileError: the weights exceed what a protobuf message can hold (2 GiB).
    """
    model, constants = export_model(graph)
    if model.ByteSize() + sum(constant._values.nbytes for constant in constants) > _PROTOBUF_LIMIT_BYTES:
        fix = "Write it to a file instead: model_io.write puts the weights beside the model."
        raise ModelFileError("the model is larger than 2 GiB, which one message cannot hold", where=graph.name, fix=fix)
    model.graph.initializer.extend([tensor_message(constant) for constant in constants])
    return model


def outline(graph: Any) -> onnx.ModelProto:
    """The model with names, types and shapes of its weights, and none of their values."""
    model, constants = export_model(graph)
    model.graph.initializer.extend([tensor_header(constant) for constant in constants])
    return model


def write(graph: Any, path: str | os.PathLike[str], others: Mapping[Path, bytes] | None = None) -> list[Path]:
    """Write `graph` to `path`, whole or not at all: a failure leaves what was there and nothing else.

    Weights go beside the model, into `<stem>.onnx.data`, if they exceed 1.9 GiB or came from such a file.

    Args:
        others: content of files that belong to it: all appear, or none.

    Returns:
        The files of the model: `path`, and the one with its weights if there is one.

    Raises:
        ModelFileError: the folder is missing or read-only, the disk full, or the graph not valid ONNX.
    """
    return write_files(graph, Path(path), _verify, others or {})


def data_files(graph: Any) -> tuple[Path, ...]:
    """The files beside the model's own that its weights were read from."""
    return tuple(graph_extras.of(graph).data_files)


def same_file(a: str | os.PathLike[str], b: str | os.PathLike[str]) -> bool:
    """Do two paths lead to the same file, through links or different spellings? Neither need exist."""
    try:
        return Path(a).samefile(b)
    except OSError:
        return os.path.realpath(a) == os.path.realpath(b)


def _verify(written: Path, target: Path, data_files: dict[str, Path]) -> None:
    _read(written, ExternalData(target.parent, str(target), None, data_files), str(target))


def _read(path: Path, external: ExternalData, where: str) -> Any:
    file = _open(path, where)
    data = file.view()
    try:
        parts = split(data)
        model = onnx.ModelProto.FromString(parts.skeleton)
    except (WireError, DecodeError) as error:
        what, fix = what_it_is(bytes(data[:256]))
        raise ModelFileError(f"not an ONNX file: {what}", where=where, fix=fix) from error
    if not model.HasField("graph"):
        what, fix = what_it_is(bytes(data[:256]))
        raise ModelFileError(f"not an ONNX file: {what}", where=where, fix=fix)
    spans = {
        tensor.name: span for tensor, span in zip(model.graph.initializer, parts.spans, strict=True) if span is not None
    }
    return _import(model, spans, file, external, where)


def _open(path: Path, where: str) -> MappedFile:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            fix = "Give the path of the .onnx file in it."
            raise ModelFileError("is a folder, not a model file", where=where, fix=fix)
        if not stat.S_ISREG(mode):
            raise ModelFileError("is not a regular file", where=where, fix="Give the path of an .onnx file.")
        file = MappedFile(path)
    except FileNotFoundError:
        raise ModelFileError("no such file", where=where, fix="Check the path.") from None
    except OSError as error:
        denied = error.errno in (errno.EACCES, errno.EPERM)
        fix = "Give yourself permission to read it." if denied else "Check the path and the disk."
        raise ModelFileError(f"cannot be read: {error.strerror}", where=where, fix=fix) from error
    except ValueError:  # a path with a null character
        raise ModelFileError("is not a possible path", where=repr(where), fix="Check the path.") from None
    if not file.size_bytes:
        raise ModelFileError("the file is empty", where=where, fix=_DAMAGED_FIX)
    return file


def _import(
    model: onnx.ModelProto, spans: dict[str, Span], file: MappedFile | None, external: ExternalData, where: str
) -> Any:
    check_model(model, where)
    from_external = False

    def values_of(tensor: onnx.TensorProto, main_graph: bool) -> TensorValues:
        nonlocal from_external
        span = spans.get(tensor.name) if main_graph else None
        if span is not None and file is not None:
            return _file_values(tensor, span, file, where)
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            from_external = True
            return external.values(tensor)
        return from_message(tensor, where)

    try:
        graph = import_model(model, values_of, where)
    except UnicodeDecodeError as error:
        raise ModelFileError("a name in the model is not text (UTF-8)", where=where, fix=_DAMAGED_FIX) from error
    extras = graph_extras.of(graph)
    take_in(extras.model.functions, external, where)
    extras.external_data, extras.data_files = from_external, external.paths
    return graph


def _file_values(tensor: onnx.TensorProto, span: Span, file: MappedFile, where: str) -> FileValues:
    check_type_and_shape(tensor, where)
    values = FileValues(tensor.data_type, tuple(tensor.dims), file, span.offset)
    if values.nbytes != span.size_bytes:
        need = f"its shape {list(values.shape)} needs {values.nbytes}"
        raise damaged(tensor.name, where, f"has {span.size_bytes} bytes of data, {need}")
    return values
