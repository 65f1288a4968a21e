"""What the loop tried, and what it came to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from compressor.errors import CompressorError
from compressor.latency.filling import LEAST_SAMPLES
from compressor.latency.measured import Measured, Quantity
from compressor.passes.selection import Selection


class NotFasterError(CompressorError):
    """Nothing that was tried is measurably faster than the original."""


@dataclass
class Round:
    """One turn of the loop: ratios to the original, as predicted and as measured; None where it cannot be measured."""

    budget_ratio: float
    predicted_ratio: float
    measured_ratio: float | None = None


@dataclass
class Outcome:
    """What the loop came to.

    Attributes:
        ratio: to the original: measured, or predicted where the table is another machine's.
        interval: of the measured ratio at 95 %; None where it was only predicted, or is a step on the way.
        noise_floor: how far the original was from itself.
        original_ms, candidate_ms: medians as measured last, or as predicted.
        of: what the ratios compare: "time" or "energy".
        original_j, candidate_j: joules of a run, where energy was measured.
        warnings: what may have disturbed the last measurement, in plain words.
    """

    goal_ratio: float
    ratio: float
    predicted_ratio: float
    measured: bool
    interval: tuple[float, float] | None = None
    noise_floor: float | None = None
    original_ms: float = 0.0
    candidate_ms: float = 0.0
    rounds: list[Round] = field(default_factory=list)
    of: Quantity = "time"
    original_j: float | None = None
    candidate_j: float | None = None
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return asdict(self)


@dataclass
class Tried:
    """A candidate: what was cut, how it measured, in which round, and whether in fresh processes."""

    selection: Selection
    found: Measured
    turn: Round
    fresh: bool


def refuse_unless_better(found: Measured, backend: str, samples: int) -> None:
    """What a table of so many samples led to must be faster, or more frugal.

    Raises:
        NotFasterError: it is not, measurably.
    """
    if not found.better:
        fix = "Allow more to be cut (--allow-width, a lower --floor), or measure on a quieter machine."
        if samples < LEAST_SAMPLES:
            fix = f"The latency table had time for {samples} samples only: give it more (--table-minutes). {fix}"
        better = "faster" if found.of == "time" else "more frugal"
        raise NotFasterError(
            f"the cut is not measurably {better}: {found.ratio.ratio:.3f} of the original's {found.of}"
            f" ({found.ratio.low:.3f} to {found.ratio.high:.3f}, noise {found.noise_floor:.1%})",
            where=backend,
            fix=fix,
        )


def outcome_of(ratio: float, best: Tried, rounds: list[Round]) -> Outcome:
    """What was measured of the best one."""
    found, interval = best.found, best.found.ratio
    return Outcome(
        ratio, interval.ratio, best.turn.predicted_ratio, measured=True, interval=(interval.low, interval.high),
        noise_floor=found.noise_floor, original_ms=found.original_ms, candidate_ms=found.candidate_ms, rounds=rounds,
        of=found.of, original_j=found.original_j, candidate_j=found.candidate_j, warnings=list(found.warnings),
    )  # fmt: skip
