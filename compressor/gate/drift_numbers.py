"""How far two sets of outputs are apart, in four numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compressor.errors import CandidateError
from compressor.gate.pair import Feeds

Worst: TypeAlias = "tuple[float | None, str]"


@dataclass(frozen=True)
class Drift:
    """(worst value, output it was found at); None where no output can tell.

    Attributes:
        max_abs: largest |candidate - baseline|; infinite where one is finite and the other not.
        max_relative: the same over the largest |baseline| of the output.
        min_cosine: between the outputs of a sample; 1 between zeros, 0 between zero and anything else.
        min_top1_agreement: share of rows along the last axis with the largest value at the same place.
        samples: along the first axis.
    """

    max_abs: Worst
    max_relative: Worst
    min_cosine: Worst
    min_top1_agreement: Worst
    samples: int


def drift_of(baseline: Feeds, candidate: Feeds) -> Drift:
    """Compare outputs by name.

    Raises:
        CandidateError: names or shapes differ.
    """
    if set(baseline) != set(candidate):
        raise CandidateError(f"outputs were {sorted(baseline)} and are {sorted(candidate)}")
    numbers: dict[str, list[tuple[float, str]]] = {"abs": [], "relative": [], "cosine": [], "top1": []}
    for name, value in baseline.items():
        other = candidate[name]
        if value.shape != other.shape:
            raise CandidateError(f"output {name!r} had shape {value.shape} and has {other.shape}")
        if value.size == 0 or value.dtype.kind in "OUS":
            continue
        a, b = _wide(value), _wide(other)
        error, scale = _error(a, b)
        numbers["abs"].append((error, name))
        numbers["relative"].append((error / scale if scale else (0.0 if error == 0 else float("inf")), name))
        if value.dtype.kind in "iub":
            continue
        numbers["cosine"].append((_cosine(a, b), name))
        if a.ndim > 1 and a.shape[-1] > 1 and value.dtype.kind != "c":
            numbers["top1"].append((float(np.mean(a.argmax(-1) == b.argmax(-1))), name))
    samples = max((len(value) if np.ndim(value) else 1 for value in baseline.values()), default=0)
    return Drift(
        _worst(numbers["abs"], max), _worst(numbers["relative"], max), _worst(numbers["cosine"], min),
        _worst(numbers["top1"], min), samples,
    )  # fmt: skip


def _worst(found: list[tuple[float, str]], pick: Any) -> Worst:
    return pick(found) if found else (None, "")


def _wide(value: NDArray[Any]) -> NDArray[np.float64]:
    """Complex numbers as twice as many real ones."""
    if value.dtype.kind == "c":
        value = np.stack([value.real, value.imag], axis=-1).reshape(*value.shape[:-1], -1)
    return value.astype(np.float64)


def _error(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """(largest difference, largest finite magnitude of ``a``); NaN and infinities must stand at the same places."""
    finite = np.isfinite(a)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(b[finite]).all():
        return float("inf"), 1.0
    if not finite.any():
        return 0.0, 0.0
    return float(np.abs(a[finite] - b[finite]).max()), float(np.abs(a[finite]).max())


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """The smallest over samples."""
    rows = (a.shape[0], -1) if a.ndim > 1 else (1, -1)
    a, b = a.reshape(rows), b.reshape(rows)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return 1.0 if np.array_equal(a, b, equal_nan=True) else 0.0
    same = np.where((a == b).all(1), 1.0, 0.0)
    a, b = _unit(a), _unit(b)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.where(lengths > 0, (a * b).sum(1) / np.where(lengths > 0, lengths, 1.0), same).min())


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows whose largest value is 1: squares of huge numbers would overflow."""
    largest = np.abs(rows).max(1, keepdims=True)
    scaled: NDArray[np.float64] = rows / np.where(largest > 0, largest, 1.0)
    return scaled
