"""What a model takes, and data held against it: names, shapes and number types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs
from numpy.typing import NDArray

from compressor.errors import UsageError


@dataclass(frozen=True)
class WantedInput:
    """One input of the model: int = fixed, anything else = dynamic. The first axis counts samples."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | str | None, ...]

    def __str__(self) -> str:
        sizes = ", ".join("?" if size is None else str(size) for size in ("N", *self.shape[1:]))
        return f"{self.name!r} {self.dtype} [{sizes}]"

    @property
    def fixed_batch(self) -> int | None:
        """The only batch size that the file takes, or None where it takes any."""
        first = self.shape[0] if self.shape else None
        return first if isinstance(first, int) and first > 0 else None


def wanted_inputs(graph: gs.Graph) -> list[WantedInput]:
    """The inputs of a graph."""
    return [WantedInput(t.name, np.dtype(t.dtype), tuple(t.shape or ())) for t in graph.inputs]


def fitted(array: NDArray[Any], want: WantedInput, where: str) -> NDArray[Any]:
    """The array in the input's number type.

    Only precision may change (float64 to float32, int32 to int64): pixels from 0 to 255 for a network that wants
    floats are scaled by whoever knows how it was trained.

    Raises:
        UsageError: it has another shape, or other kinds of numbers.
    """
    sizes = zip(array.shape[1:], want.shape[1:], strict=False)
    fits = array.ndim == len(want.shape) and all(not isinstance(w, int) or w == have for have, w in sizes)
    if not fits or not np.can_cast(array.dtype, want.dtype, "same_kind") or _changes_kind(array.dtype, want.dtype):
        shown = ", ".join(str(size) for size in array.shape)
        raise UsageError(
            f"has {array.dtype} [{shown}] for an input, the model wants {want}",
            where=where, fix="Give it in that shape and number type, scaled as the model was trained.",
        )  # fmt: skip
    return array.astype(want.dtype, copy=False)


def _changes_kind(have: np.dtype[Any], want: np.dtype[Any]) -> bool:
    """Integers to floats pass NumPy's "same kind", but mean something else."""
    return have.kind in "iub" and want.kind not in "iub"
