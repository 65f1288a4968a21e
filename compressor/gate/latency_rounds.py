"""Latency in rounds: what does not pass is measured again, longer and in fresh processes, before anything fails.

A failure takes two rounds in a row that fail by themselves. A pass takes one. What two rounds see differently, and what
stays open after the longer round, is inconclusive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compressor.backends.comparison import AGAIN, Comparison
from compressor.backends.decision import RESAMPLES, Decision, confidence_for, decide
from compressor.backends.statistics import CONFIDENCE, Ratio, block_medians_ms, ratio_of_stored

MOST_ROUNDS = 3
LONGER = 2  # times the processes and the seconds of the first round


@dataclass(frozen=True)
class Stored:
    """Times of the baseline from an earlier run.

    Attributes:
        samples_ns: by process, block and run.
        noise: the baseline against itself, as it was then.
    """

    samples_ns: list[list[list[int]]]
    noise: Ratio


@dataclass(frozen=True)
class Round:
    """One measurement and what it says.

    Attributes:
        comparison: the measurement.
        ratio: candidate over baseline, with the interval that decided.
        noise: the baseline against itself.
        decision: what follows from this round alone.
    """

    comparison: Comparison
    ratio: Ratio
    noise: Ratio
    decision: Decision


def in_rounds(measure: Callable[[int], Round]) -> tuple[Decision, list[Round]]:
    """Measure until it is decided.

    Args:
        measure: given the number of the round, from 0; later ones measure longer.
    """
    rounds = [measure(0)]
    while len(rounds) < MOST_ROUNDS:
        outcomes = [each.decision.outcome for each in rounds]
        if outcomes[-1] == "pass" or outcomes[-2:] == ["fail", "fail"]:
            break
        if len(rounds) > 1 and outcomes[-1] != "fail":
            break
        rounds.append(measure(len(rounds)))
    return _verdict(rounds), rounds


def _verdict(rounds: list[Round]) -> Decision:
    last = rounds[-1].decision
    outcomes = [each.decision.outcome for each in rounds]
    if last.outcome == "pass" and "fail" in outcomes:
        return Decision("inconclusive", f"one round says fail, a longer one pass: {last.reason}")
    if last.outcome != "fail":
        before = " after a round that failed" if "fail" in outcomes else ""
        return Decision(last.outcome, last.reason + before)
    if outcomes[-2:] == ["fail", "fail"]:
        return Decision("fail", f"{last.reason}, confirmed in fresh processes")
    return Decision("inconclusive", f"a failure was not confirmed: {last.reason}")


def judged(
    comparison: Comparison, label: str, *, limit: float, min_effect: float, stored: Stored | None = None
) -> Round:
    """What one measurement says about the candidate's ratio.

    Args:
        comparison: of baseline and candidate, or of the candidate alone where the baseline's times are stored.
        label: the candidate's.
        limit, min_effect: as ``decision.decide``.
        stored: the baseline's times.
    """
    conditions = comparison.conditions
    confidence = confidence_for(len(conditions.disturbances()), conditions.waited_share)
    ratio, noise = _ratios(comparison, label, confidence or CONFIDENCE, stored)
    if confidence is None:
        waited = f"the measuring process had to wait {conditions.waited_share:.0%} of the time for a CPU"
        return Round(comparison, ratio, noise, Decision("inconclusive", f"{waited}: the machine is too busy"))
    blocks = comparison.processes * comparison.blocks
    return Round(comparison, ratio, noise, decide(ratio, noise, limit=limit, min_effect=min_effect, blocks=blocks))


def _ratios(comparison: Comparison, label: str, confidence: float, stored: Stored | None) -> tuple[Ratio, Ratio]:
    if stored is None:
        noise = comparison.ratio(AGAIN, CONFIDENCE, RESAMPLES)
        return comparison.ratio(label, confidence, RESAMPLES), noise
    before, after = (block_medians_ms(runs) for runs in (stored.samples_ns, comparison.samples_ns[label]))
    ratio = ratio_of_stored(before, after, seed=comparison.seed, resamples=RESAMPLES, confidence=confidence)
    # Nothing interleaved the two: what each measurement showed against itself may come together.
    spread = stored.noise.spread() + comparison.noise.spread()
    return ratio, Ratio(1.0, 1 - spread, 1 + spread)
