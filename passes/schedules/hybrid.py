"""One large first cut, then a geometric tail of small ones (arXiv:2508.13836, section 3.3 and tables 3-4)."""

from __future__ import annotations

import math

from compressor.errors import UsageError
from compressor.passes.schedule import SCHEDULES, steps_or_rate

FIRST_SHARE = 0.7
"""Of the target: the paper cuts 60-80 % of it first."""


@SCHEDULES.register("hybrid")
def hybrid(
    target: float,
    *,
    first: float | None = None,
    steps: int | None = None,
    rate: float | None = None,
    of: str = "original",
) -> tuple[float, ...]:
    """First p_k, then N steps; with ``of="original"``, as the paper has it, r = 1 - (1 - (p - p_k))^(1/N).

    Step j of the tail removes r (1 - r)^(j-1) of the original: s_j = p_k + 1 - (1 - r)^j.
    With ``of="remaining"`` it removes r of what is left: r = 1 - ((1 - p) / (1 - p_k))^(1/N),
    s_j = 1 - (1 - p_k)(1 - r)^j.

    Args:
        target: p.
        first: p_k, between 0 and p; by default 70 % of p.
        steps: N, without the first cut.
        rate: instead of N: the smallest N at which this rate reaches p; r follows exactly.
        of: "original" or "remaining".
    """
    first = FIRST_SHARE * target if first is None else first
    if not (math.isfinite(first) and 0 < first < target):
        raise UsageError(f"the first cut, {first:g}, is not between 0 and the target {target:g}")
    if of not in ("original", "remaining"):
        raise UsageError(f"a tail of {of!r} is unknown", fix="Known: original, remaining.")
    kept = 1 - (target - first) if of == "original" else (1 - target) / (1 - first)
    count = steps_or_rate(kept, steps, rate)
    left = [kept ** (j / count) for j in range(1, count + 1)]
    if of == "original":
        return (first, *(first + 1 - share for share in left))
    return (first, *(1 - (1 - first) * share for share in left))


def tail_rate(target: float, first: float, steps: int) -> float:
    """r of the paper's tail."""
    return float(1 - (1 - (target - first)) ** (1 / steps))
