"""What a model file says without being run: sizes, operators, versions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import onnx

from compressor.errors import EnvironmentProblem, ModelFileError
from compressor.loaded import total_bytes
from compressor.model_io import data_files, digest, outline, read

_MAIN = ("", "ai.onnx")
_FLOATS = {
    getattr(onnx.TensorProto, name)
    for name in onnx.TensorProto.DataType.keys()  # noqa: SIM118 - an enum of protobuf is no mapping
    if "FLOAT" in name or name == "DOUBLE"
}


@dataclass(frozen=True)
class Facts:
    """Facts about a model.

    Attributes:
        size_bytes: of its files.
        params: elements of its floating-point initializers, those inside bodies and functions' constants included.
        opsets: version by domain; "" is ONNX's own.
        ops: how often each operator occurs, as "Conv" or "com.microsoft::Gelu"; those inside bodies and functions
            too, calls of the model's own functions not.
        digest: of the graph and its weights.
    """

    size_bytes: int
    params: int
    opsets: dict[str, int]
    ops: dict[str, int]
    digest: str

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


def facts_of(path: Path) -> Facts:
    """Read a model file.

    Raises:
        ModelFileError: it is no sound ONNX file.
        EnvironmentProblem: the system does not let us read it.
    """
    try:
        graph = read(path)
        files = (path, *data_files(graph))
        model = outline(graph)
        return Facts(total_bytes(files), count_params(model), opsets_of(model), count_ops(model), digest(graph))
    except ModelFileError as error:
        if isinstance(error.__cause__, OSError):
            raise EnvironmentProblem(error.what, where=error.where, fix=error.fix) from error
        raise


def files_of(path: Path) -> tuple[Path, ...]:
    """A model's file and those of its weights; of one that cannot be read, itself."""
    try:
        return path, *data_files(read(path))
    except ModelFileError:
        return (path,)


def count_params(model: onnx.ModelProto) -> int:
    """Elements of the floating-point initializers, as ``Facts.params``."""
    return sum(math.prod(tensor.dims) for tensor in _tensors(model) if tensor.data_type in _FLOATS)


def count_ops(model: onnx.ModelProto) -> dict[str, int]:
    """How often each operator occurs, as ``Facts.ops``."""
    calls = {(function.domain, function.name) for function in model.functions}
    ops = Counter(_op_name(node) for node in _nodes(model) if (node.domain, node.op_type) not in calls)
    return dict(sorted(ops.items()))


def opsets_of(model: onnx.ModelProto) -> dict[str, int]:
    """Versions by domain, as ``Facts.opsets``."""
    return {_domain(entry.domain): int(entry.version) for entry in model.opset_import}


def is_count(value: Any) -> bool:
    """Whether something read from a file is a number of things, and one that all arithmetic can bear."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62


def _domain(name: str) -> str:
    return "" if name in _MAIN else name


def _op_name(node: onnx.NodeProto) -> str:
    domain = _domain(node.domain)
    return f"{domain}::{node.op_type}" if domain else str(node.op_type)


def _graphs(model: onnx.ModelProto) -> Iterator[Any]:
    """The graph, its functions, and the bodies of their nodes."""
    stack: list[Any] = [model.graph, *model.functions]
    while stack:
        graph = stack.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                stack += [attribute.g] if attribute.HasField("g") else []
                stack += attribute.graphs


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    for graph in _graphs(model):
        yield from graph.node


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    for graph in _graphs(model):
        yield from getattr(graph, "initializer", ())
        for node in graph.node:
            yield from (item.t for item in node.attribute if item.name == "value" and item.HasField("t"))
