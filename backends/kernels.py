"""Where the time of a run goes: the kernels a runtime really ran, and the tensors of the file that they compute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Kernel:
    """One kernel of a run, in the granularity in which the runtime fused.

    An op that the runtime took apart has several kernels that name the same tensors: their times add up.

    Attributes:
        name: what the runtime calls this node.
        op: what the runtime calls this type of kernel.
        tensors: the tensors of the *file* that it computes at its end. For what the runtime added itself (changes of
            layout or type, copies) the tensors of the file that it carries.
        added: whether the runtime added it: it computes no tensor of the file that its inputs do not carry already.
        times_ns: nanoseconds in each run.
    """

    name: str
    op: str
    tensors: tuple[str, ...]
    added: bool
    times_ns: tuple[int, ...]

    @property
    def median_ns(self) -> float:
        """Median over the runs, in nanoseconds."""
        return float(median(self.times_ns))

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


def total_ns(kernels: Sequence[Kernel]) -> list[int]:
    """The sum over all kernels in each run, in nanoseconds."""
    return [sum(times) for times in zip(*(kernel.times_ns for kernel in kernels), strict=True)]
