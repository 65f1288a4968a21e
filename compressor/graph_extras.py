"""What an ONNX file holds that graphsurgeon has no place for: kept beside its objects, put back on write.

graphsurgeon drops doc strings of nodes and tensors, metadata_props, training information, quantization
annotations, empty list attributes and more. Instead of naming each, everything that is not taken over
into graphsurgeon's own fields is kept as a **remainder**: a protobuf message of the same type holding only
the fields that were not taken over. Objects made by a pass simply have no remainder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import onnx
from google.protobuf.message import Message

CONSTANTS_KEY = "compressor.constants"
"""Metadata of exported models: a JSON list of the floating-point initializers that are no parameters."""
_M = TypeVar("_M", bound=Message)
_ATTRIBUTE_NAME = "extras"  # set on gs.Graph, gs.Node and gs.Tensor objects


@dataclass
class TensorExtras:
    """Beside a gs.Variable or gs.Constant."""

    value_info: onnx.ValueInfoProto | None = None  # doc string, metadata; its type only where gs cannot express it
    tensor: onnx.TensorProto | None = None  # an initializer's doc string and metadata
    imported_type: tuple[Any, Any] | None = None  # (dtype, shape) that value_info.type stands for


@dataclass
class GraphExtras:
    """Beside a gs.Graph, main graph or subgraph."""

    remainder: onnx.GraphProto = field(default_factory=onnx.GraphProto)
    initializer_order: dict[str, int] = field(default_factory=dict)  # also says which graph declares an initializer
    input_order: dict[str, int] = field(default_factory=dict)
    listed_initializers: dict[str, onnx.ValueInfoProto] = field(default_factory=dict)  # initializers named as inputs
    model: onnx.ModelProto = field(default_factory=onnx.ModelProto)  # main graph only
    external_data: bool = False  # main graph only: the file kept its weights beside it
    data_files: tuple[Path, ...] = ()  # main graph only: in these files


def exported_constants(graph: Any) -> frozenset[str] | None:
    """Initializers that the exporter knew to be no parameters; None where the file does not say."""
    extras = of(graph)
    entries = {} if extras is None else {entry.key: entry.value for entry in extras.model.metadata_props}
    try:
        names = json.loads(entries.get(CONSTANTS_KEY, "null"))
    except ValueError:
        return None
    return frozenset(map(str, names)) if isinstance(names, list) else None


def remainder(message: _M, taken_over: frozenset[str]) -> _M | None:
    """A message with the fields of `message` that are not in `taken_over`; None if there are none."""
    left: _M | None = None
    for descriptor, value in message.ListFields():
        if descriptor.name in taken_over:
            continue
        if left is None:
            left = type(message)()
        if descriptor.is_repeated:
            getattr(left, descriptor.name).extend(value)
        elif descriptor.message_type is not None:
            getattr(left, descriptor.name).CopyFrom(value)
        else:
            setattr(left, descriptor.name, value)
    return left


def attach(item: Any, extras: object) -> None:
    """Put `extras` beside a gs object."""
    setattr(item, _ATTRIBUTE_NAME, extras)


def of(item: Any) -> Any:
    """The extras beside a gs object, or None. (gs.Graph logs an error on a plain getattr of a missing name.)"""
    return vars(item).get(_ATTRIBUTE_NAME)
