"""What makes a measured ratio one of something else than the models, so that it decides nothing.

Where both models take turns, a disturbance hits both, and ``backends.decision`` deals with it. Times that were stored
were measured alone: if another program, or the machine's own pace, made one of the two measurements 30 % slower, the
ratio is off by 30 %, however narrow its interval. So both must come from a quiet machine, or nothing is concluded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from compressor.backends.comparison import Comparison
from compressor.backends.decision import Decision
from compressor.backends.statistics import MIN_BLOCKS, block_medians_ms
from compressor.gate.latency_rounds import Round
from compressor.gate.latency_stored import StoredLatency

FEWEST_PROCESSES = 2  # with one, nothing tells how much processes differ
_GROWING = "latencies grow for as long as one measures"


def doubted(found: Round, label: str, stored: StoredLatency | None) -> Round:
    """The round; inconclusive where there is a doubt about it.

    Args:
        found: a round.
        label: the candidate's.
        stored: the baseline's times, where they are from an earlier run.
    """
    reason = _late(found.comparison, label)
    if stored is not None:
        reason = reason or doubt_about(stored) or _alone(found.comparison)
    return found if reason is None else replace(found, decision=Decision("inconclusive", reason))


def doubt_about(stored: StoredLatency) -> str | None:
    """Why stored times can decide nothing, whatever is measured beside them; None where they can."""
    processes, blocks = block_medians_ms(stored.times.samples_ns).shape
    if stored.overloaded:
        return f"the stored times are of a model that did not keep up: {_GROWING}"
    if processes < FEWEST_PROCESSES:
        return f"the stored times come from one process; {FEWEST_PROCESSES} are needed"
    if processes * blocks < MIN_BLOCKS:
        return f"only {processes * blocks} blocks were stored; {MIN_BLOCKS} are needed"
    unrest = _unrest(stored.conditions.disturbances(), stored.drift)
    return f"when the baseline was measured the machine was not quiet: {unrest}" if unrest else None


def _late(comparison: Comparison, label: str) -> str | None:
    late = [one for one in dict.fromkeys((comparison.baseline, label)) if one in comparison.overloaded]
    return f"requests piled up ({', '.join(late)}): {_GROWING}" if late else None


def _alone(comparison: Comparison) -> str | None:
    unrest = _unrest(comparison.conditions.disturbances(), comparison.drift)
    why = "the machine is not quiet, and the baseline was not measured beside the candidate"
    return f"{why}: {unrest}" if unrest else None


def _unrest(disturbances: Sequence[str], drift: float | None) -> str:
    changed = "" if drift is None else f"It got {abs(drift):.0%} {'slower' if drift > 0 else 'faster'} meanwhile."
    return " ".join([*disturbances, changed]).strip().rstrip(".")
