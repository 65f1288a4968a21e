"""Types of values in a policy: numbers that are no truth values, names of backends, sizes."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from compressor.errors import CompressorError
from compressor.gate.pair import known_backends


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not true or false")
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _backends(names: list[str]) -> list[str]:
    try:
        return known_backends(names)
    except CompressorError as error:
        raise ValueError(error.one_line()) from error


_PLAIN = BeforeValidator(_no_truth_value)
_LARGEST = 1 << 62

Ratio: TypeAlias = Annotated[float, Field(gt=0, le=1e6), _PLAIN]
"""Candidate over baseline."""

Share: TypeAlias = Annotated[float, Field(ge=0, le=1), _PLAIN]
Tolerance: TypeAlias = Annotated[float, Field(ge=0, le=1e30), _PLAIN]
Number: TypeAlias = Annotated[float, Field(ge=-1e30, le=1e30), _PLAIN]
Count: TypeAlias = Annotated[int, Field(ge=0, le=_LARGEST), _PLAIN]
Positive: TypeAlias = Annotated[int, Field(ge=1, le=1 << 31), _PLAIN]
Threads: TypeAlias = Annotated[int, Field(ge=1, le=1024), _PLAIN]
Processes: TypeAlias = Annotated[int, Field(ge=2, le=1000), _PLAIN]
Seconds: TypeAlias = Annotated[float, Field(gt=0, le=3600), _PLAIN]
_ONE_OR_MORE = BeforeValidator(_as_list, json_schema_input_type=str | list[str])
Names: TypeAlias = Annotated[list[str], Field(min_length=1, max_length=10_000), _ONE_OR_MORE]
Backends: TypeAlias = Annotated[list[str], Field(min_length=1, max_length=100), _ONE_OR_MORE, AfterValidator(_backends)]
Dims: TypeAlias = Annotated[dict[str, Positive], Field(max_length=1000)]
