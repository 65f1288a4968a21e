"""What was measured of a candidate against the original: times, or the energy of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compressor.backends.comparison import Comparison
from compressor.backends.statistics import Ratio
from compressor.errors import BackendError

Quantity = Literal["time", "energy"]


@dataclass(frozen=True)
class Measured:
    """A candidate beside the original.

    Attributes:
        of: what was compared.
        ratio: candidate over original.
        better: whether it is certainly below 1.
        noise_floor: how far the original was from itself.
        original_ms, candidate_ms: medians of the times, whatever was compared.
        original_j, candidate_j: medians of the joules of a run; None where time was compared.
        warnings: what may have disturbed the measurement, in plain words.
    """

    of: Quantity
    ratio: Ratio
    better: bool
    noise_floor: float
    original_ms: float
    candidate_ms: float
    original_j: float | None = None
    candidate_j: float | None = None
    warnings: tuple[str, ...] = ()

    def error(self, goal: float) -> float:
        """How far the ratio is from the one asked for, relative to it."""
        return abs(self.ratio.ratio / goal - 1)


def measured_of(found: Comparison, candidate: str, of: Quantity) -> Measured:
    """A comparison's figures of one label.

    Raises:
        BackendError: energy is wanted, and was not measured.
    """
    original_ms, candidate_ms = (found.timings[label].median_ms for label in (found.baseline, candidate))
    if of == "time":
        better = found.verdicts[candidate] == "faster"
        return Measured(
            of, found.ratios[candidate], better, found.noise_floor, original_ms, candidate_ms,
            warnings=tuple(found.warnings),
        )  # fmt: skip
    energy = found.energy
    if energy is None:
        raise BackendError(f"energy was not measured: {found.energy_missing}", where=found.backend)
    return Measured(
        of, energy.ratios[candidate], energy.verdicts[candidate] == "less", energy.noise.spread(), original_ms,
        candidate_ms, energy.joules[found.baseline], energy.joules[candidate],
        tuple(found.warnings),
    )  # fmt: skip
