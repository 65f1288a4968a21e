"""Does a measured ratio keep a limit: certainly, certainly not, or cannot we know?

The order of turns is random, so other programs disturb all models alike: they widen the interval and do not move it.
Measured on two cores with up to eight programs competing for them (waiting up to 88 % of the time): 20 ratios of a
model of 0.3 ms to itself lay within 1 %, 20 of one with 5 % more to do within 0.5 % of 1.05. With runs of 20 ms, longer
than a turn of the scheduler, intervals were 10 % wide, and the gate decided one time in eight, rightly. What load may
break is that few processes stand for all. Therefore the confidence is higher than that of what is reported, higher
still on a disturbed machine, and what the baseline shows against itself is added on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from compressor.backends.statistics import MIN_BLOCKS, Ratio

Outcome = Literal["pass", "fail", "inconclusive"]

QUIET_CONFIDENCE = 0.99
DISTURBED_CONFIDENCE = 0.999
RESAMPLES = 10_000  # ten of them lie beyond a 99.9 % interval, five on each side
MOST_NOISE = 0.10  # a baseline that differs from itself by more says nothing about anything
MOST_WAITING = 0.9


@dataclass(frozen=True)
class Decision:
    """An outcome and its reason in words.

    Attributes:
        outcome: "pass", "fail" or "inconclusive".
        reason: one sentence.
    """

    outcome: Outcome
    reason: str


def decide(ratio: Ratio, noise: Ratio, *, limit: float, min_effect: float = 0.0, blocks: int = MIN_BLOCKS) -> Decision:
    """Hold a ratio against the largest one allowed.

    It fails when the whole interval lies above the limit and the estimate exceeds it by more than the noise floor (and
    by more than ``min_effect``). It passes when the whole interval lies below the limit, and the estimate does so by
    the noise floor.

    Args:
        ratio: candidate over baseline, with the interval to decide by.
        noise: baseline over itself.
        limit: the largest ratio allowed.
        min_effect: relative excess over the limit that nobody minds.
        blocks: number of blocks that both rest on; below ``MIN_BLOCKS`` nothing is concluded.
    """
    floor, shown = noise.spread(), f"{ratio.ratio:.3f} ({ratio.low:.3f} to {ratio.high:.3f})"
    if blocks < MIN_BLOCKS:
        return Decision("inconclusive", f"only {blocks} blocks were measured; {MIN_BLOCKS} are needed")
    if floor > MOST_NOISE:
        return Decision("inconclusive", f"the baseline differs from itself by up to {floor:.0%}: too noisy to decide")
    if ratio.low > limit:
        margin = max(floor, min_effect)
        if ratio.ratio > limit * (1 + margin):
            return Decision("fail", f"ratio {shown} is above {limit:g}")
        return Decision("inconclusive", f"ratio {shown} is above {limit:g}, but by less than {margin:.1%}")
    if ratio.high > limit:
        return Decision("inconclusive", f"{limit:g} lies within the interval of the ratio {shown}")
    if ratio.ratio * (1 + floor) > limit:
        return Decision("inconclusive", f"ratio {shown} is below {limit:g}, but by less than the noise of {floor:.1%}")
    return Decision("pass", f"ratio {shown} is at most {limit:g}")


def confidence_for(disturbances: int, waited_share: float) -> float | None:
    """The confidence to decide with; None where the machine is too busy to decide anything.

    Args:
        disturbances: how many kinds were found (``Conditions.disturbances``).
        waited_share: of the time, in which the measuring process had to wait for a CPU.
    """
    if waited_share > MOST_WAITING:
        return None
    return DISTURBED_CONFIDENCE if disturbances else QUIET_CONFIDENCE
