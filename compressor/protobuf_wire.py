"""The protobuf wire format, as far as weights need it: find them in a file without copying, write them without
building the message. https://protobuf.dev/programming-guides/encoding/

A field is a varint tag (number << 3 | wire type) and a value. ModelProto.graph is field 7, GraphProto.initializer
field 5, TensorProto.raw_data field 9, each with a length before its bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MODEL_GRAPH = 7
GRAPH_INITIALIZER = 5
TENSOR_RAW_DATA = 9
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
_LEAVE_INLINE_BYTES = 1024  # a range of the file is not worth its bookkeeping below this


class WireError(ValueError):
    """The bytes are not a protobuf message."""


@dataclass(frozen=True)
class Span:
    """A range of the file: where raw_data lies."""

    offset: int
    size_bytes: int


@dataclass(frozen=True)
class SplitModel:
    """A serialized model without its large raw_data, and where those lie, one entry an initializer."""

    skeleton: bytes
    spans: list[Span | None]


def split(data: memoryview) -> SplitModel:
    """Cut the raw_data of large initializers out of a serialized ModelProto.

    Raises:
        WireError: `data` is cut short or not protobuf.
    """
    pieces: list[bytes | memoryview] = []
    spans: list[Span | None] = []
    for number, kind, start, value, end in _fields(data, 0, len(data)):
        if number == MODEL_GRAPH and kind == _BYTES:
            graph = _graph_without_weights(data, value, end, spans)
            pieces += [prefix(MODEL_GRAPH, sum(map(len, graph))), *graph]
        else:
            pieces.append(data[start:end])
    return SplitModel(b"".join(pieces), spans)


def prefix(number: int, size_bytes: int) -> bytes:
    """Tag and length that go before the `size_bytes` bytes of field `number`."""
    return _encode(number << 3 | _BYTES) + _encode(size_bytes)


def _graph_without_weights(
    data: memoryview, start: int, end: int, spans: list[Span | None]
) -> list[memoryview | bytes]:
    pieces: list[memoryview | bytes] = []
    copied_to = start
    for number, kind, field_start, value, field_end in _fields(data, start, end):
        if number != GRAPH_INITIALIZER or kind != _BYTES:
            continue
        tensor, span = _tensor_without_weight(data, value, field_end)
        spans.append(span)
        if span is not None:
            pieces += [data[copied_to:field_start], prefix(GRAPH_INITIALIZER, sum(map(len, tensor))), *tensor]
            copied_to = field_end
    return [*pieces, data[copied_to:end]]


def _tensor_without_weight(data: memoryview, start: int, end: int) -> tuple[list[memoryview], Span | None]:
    pieces: list[memoryview] = []
    span = None
    for number, kind, field_start, value, field_end in _fields(data, start, end):
        if number == TENSOR_RAW_DATA and kind == _BYTES and field_end - value >= _LEAVE_INLINE_BYTES:
            span = Span(value, field_end - value)
        else:
            pieces.append(data[field_start:field_end])
    return pieces, span


def _fields(data: memoryview, start: int, end: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield (number, wire type, start of tag, start of value, end) of each field in data[start:end]."""
    position = start
    while position < end:
        field_start = position
        tag, position = _decode(data, position, end)
        value_start, kind = position, tag & 7
        if kind == _BYTES:
            size, value_start = _decode(data, position, end)
            position = value_start + size
        elif kind == _VARINT:
            _, position = _decode(data, position, end)
        elif kind in (_FIXED32, _FIXED64):
            position += 4 if kind == _FIXED32 else 8
        else:
            raise WireError(f"wire type {kind} at byte {field_start}")
        if position > end or tag < 8:
            raise WireError(f"a field that starts at byte {field_start} ends at byte {position}, after byte {end}")
        yield tag >> 3, kind, field_start, value_start, position


def _decode(data: memoryview, position: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while position < end and shift < 7 * _LONGEST_VARINT:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise WireError(f"a number that ends nowhere, before byte {position}")


def _encode(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
